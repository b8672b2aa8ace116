"""Question and answer between a task and the DAG processor: what has it stored of a release?

A task has no database. The DAG processor has one, and looks at the state every second. So the task writes down what it
wants to know (``question.json``), and the bundle inside the DAG processor writes what it found (``answer.json``). Both
are cache: a file that is lost is written again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airlock.errors import StateError

_STRAY_S = 60.0
_VALID_S = 900.0  # a question whose task was killed is not answered for ever


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked about a revision once it is live.

    ``dags`` are the DAG ids to tell about. ``parse`` maps DAG files, relative to the DAG folder, to how often they have
    been asked to be parsed; each time that a number grows, the DAG processor parses the file before all others.
    """

    revision: str
    dags: tuple[str, ...]
    parse: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One DAG as the DAG processor stored it: the bundle version, when it was parsed, and ``Dag.digest`` of what is
    stored, empty while that is of another version.
    """

    version: str | None
    parsed_at: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class ImportFault:
    """An import error as Airflow recorded it for a file."""

    at: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the DAG processor had stored ``at`` an ISO 8601 time, while it served ``revision``.

    ``dags`` has the DAGs asked about that are stored and not stale, ``errors`` the import errors by file, relative to
    the DAG folder.
    """

    revision: str
    at: str
    dags: Mapping[str, Stored]
    errors: Mapping[str, ImportFault]


def ask(folder: Path, question: Question) -> None:
    """Put a question in the place of an older one. Raises ``StateError`` when it cannot be written."""
    write(folder / "question.json", {**asdict(question), "until": time.time() + _VALID_S})


def asked(folder: Path) -> Question | None:
    """Return the question that waits for an answer, ``None`` when there is none, or nobody waits any more."""
    document = read(folder / "question.json")
    try:
        if document is None or document.pop("until") < time.time():
            return None
        return Question(**{**document, "dags": tuple(document["dags"])})
    except (KeyError, TypeError):
        return None  # of another version of Airlock


def answer(folder: Path, answer: Answer) -> None:
    """Put an answer in the place of an older one. Raises ``StateError`` when it cannot be written."""
    write(folder / "answer.json", asdict(answer))


def answered(folder: Path) -> Answer | None:
    """Return the newest answer, whatever it is about."""
    document = read(folder / "answer.json")
    if document is None:
        return None
    try:
        return Answer(
            revision=document["revision"],
            at=document["at"],
            dags={dag_id: Stored(**stored) for dag_id, stored in document["dags"].items()},
            errors={file: ImportFault(**fault) for file, fault in document["errors"].items()},
        )
    except (KeyError, TypeError, AttributeError):
        return None


def forget(folder: Path) -> None:
    """Remove the newest answer: it was given to an earlier question, perhaps about the same revision."""
    with suppress(OSError):
        (folder / "answer.json").unlink(missing_ok=True)


def close(folder: Path, revision: str) -> None:
    """Tell that nobody waits for an answer about ``revision`` any more."""
    question = asked(folder)
    if question is not None and question.revision == revision:
        with suppress(OSError):
            (folder / "question.json").unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, ``None`` when there is none that can be read."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a file by a JSON object. Raises ``StateError`` when it cannot be written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        beside.write_text(json.dumps(document), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StateError(
            f"{path} cannot be written: {error.strerror}", hint="free space, or check its permissions"
        ) from error


def _sweep(path: Path) -> None:
    """Remove what killed writers of a file left beside it."""
    for beside in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            if time.time() - beside.stat().st_mtime > _STRAY_S:
                beside.unlink()
