"""A second import of the files whose DAGs may come out differently every time, to see whether they do.

Only files that use a clock, random numbers or the network, themselves or in a module of the repository that they
import, are imported again: it would double the cost of all others to find nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from airlock.validate.outcome import FileOutcome

Parts = Mapping[str, Mapping[str, str]]
ImportAgain = Callable[[Sequence[str]], Iterable[tuple[str, Mapping[str, Any]]]]
"""Takes files; yields each with what its child told: ``dags`` and, by DAG id, ``parts``."""

_VARYING = re.compile(
    rb"\b(utc)?now\(|\b(today|yesterday|tomorrow|time|time_ns|monotonic|perf_counter|process_time|getpid)(_ns)?\("
    rb"|\btime\.strftime\(|\b(localtime|gmtime|ctime|asctime|urandom|getrandom)\(|\bimport\b.*\bstrftime\b"
    rb"|\buuid\b|\brandom\b|\bsecrets\b|\bmkdtemp\b|\bmkstemp\b|\burlopen\b|\brequests\b|\bhttpx\b"
)
_TOLD = 3
_MOST_BYTES = 4 << 20


def add(root: Path, outcomes: Sequence[FileOutcome], import_again: ImportAgain) -> tuple[FileOutcome, ...]:
    """Return the outcomes with the parts of DAGs that differed between two imports of the same file."""
    known: dict[str, bool] = {}
    outcomes = [replace(outcome, varies=_may_vary(root, outcome, known=known)) for outcome in outcomes]
    suspects = {outcome.file: outcome for outcome in outcomes if outcome.dags and outcome.varies}
    seconds = dict(import_again(sorted(suspects)))
    differing = {
        file: differing
        for file, document in seconds.items()
        if (differing := _differing_dags(suspects[file], document.get("dags", ())))
    }
    thirds = dict(import_again(sorted(differing)))
    unstable = {
        file: {dag_id: _parts(dag_id, seconds[file], thirds.get(file, {})) for dag_id in dag_ids}
        for file, dag_ids in differing.items()
    }
    return tuple(replace(outcome, unstable=unstable.get(outcome.file, {})) for outcome in outcomes)


def _may_vary(root: Path, outcome: FileOutcome, *, known: dict[str, bool]) -> bool:
    told: Iterable[object] = outcome.inputs  # as a child told them, or who wrote in its name
    names = {outcome.file, *(name for name in told if isinstance(name, str))}
    for name in names - known.keys():
        known[name] = name.endswith(".py") and bool(_VARYING.search(_text(root, name)))
    return any(known[name] for name in names)


def _text(root: Path, name: str) -> bytes:
    """Return the text of a file of the tree, if it is one: the name comes from a child, and may lead anywhere."""
    try:
        path = Path(os.path.realpath(root / name))
        if path.is_relative_to(os.path.realpath(root)) and path.is_file():
            with path.open("rb") as file:
                return file.read(_MOST_BYTES)
    except (OSError, ValueError):
        pass
    return b""


def _differing_dags(first: FileOutcome, second: Iterable[Mapping[str, Any]]) -> list[str]:
    digests = {dag["dag_id"]: dag["digest"] for dag in second}
    before = {dag.dag_id: dag.digest for dag in first.dags}
    return sorted(dag_id for dag_id in before if dag_id in digests and before[dag_id] != digests[dag_id])


def _parts(dag_id: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    before, after = _told(one, dag_id), _told(other, dag_id)
    return tuple(sorted(key for key in before.keys() & after.keys() if before[key] != after[key])[:_TOLD])


def _told(document: Mapping[str, Any], dag_id: str) -> Mapping[str, Any]:
    """Return the parts of a DAG that a child told; none where another hand than ours wrote its result."""
    parts = document.get("parts")
    told = parts.get(dag_id) if isinstance(parts, dict) else None
    return told if isinstance(told, dict) else {}
