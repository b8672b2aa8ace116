"""Imports DAG files of one tree in children of the warm process, each once, and those that may vary a second time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from airlock.errors import OperatorError, TransientError
from airlock.validate import lint, preimport, stability
from airlock.validate.ended import Ended
from airlock.validate.forkserver import ForkServer
from airlock.validate.outcome import FileOutcome, Observed
from airlock.validate.refused import SOCKET, Attempt
from airlock.verdict import Dag

_FATAL_SIGNALS = {signal.SIGKILL: "; it may have used too much memory", signal.SIGXCPU: "; it used too much CPU time"}


def import_all(
    observed: Observed,
    server: ForkServer,
    bundle: str,
    paths: Sequence[Path],
    progress: Callable[[int, int], None] | None = None,
) -> Observed:
    """Return what was observed with the outcomes of importing these files, and with what a second look adds.

    ``progress`` is told how many files of how many are done. ``lint_failure`` of the result says that outcomes lack
    what ruff would have told. Secrets that the files were given are not in the outcomes' texts.
    """
    outcomes = _import_once(observed, server, bundle, paths, progress)
    return _look_again(replace(observed, outcomes=outcomes), server, bundle)


def why(ended: Ended) -> str:
    """Return how a child ended that told no result, for a person."""
    if ended.code < 0:
        number = signal.Signals(-ended.code)
        return f"killed by {number.name}{_FATAL_SIGNALS.get(number, '')}"
    return f"exit status {ended.code}, without a result"


def _import_once(
    observed: Observed,
    server: ForkServer,
    bundle: str,
    paths: Sequence[Path],
    progress: Callable[[int, int], None] | None,
) -> tuple[FileOutcome, ...]:
    if len(paths) >= preimport.FEWEST_FILES:
        scan = {"job": "scan", "root": str(observed.root), "paths": list(map(str, paths))}
        server.preimport((next(iter(server.run([scan]))).document or {}).get("modules", ()))
    jobs = [_job(observed, path, bundle) for path in paths]
    outcomes = []
    for ended in server.run(jobs):
        outcomes.append(_outcome(ended, observed, server.answers.redact))
        if progress:
            progress(len(outcomes), len(jobs))
    return tuple(sorted(outcomes, key=lambda outcome: outcome.file))


def _job(observed: Observed, path: Path, bundle: str) -> dict[str, Any]:
    return {
        "job": "import",
        "root": str(observed.root),
        "folder": str(observed.folder),
        "path": str(path),
        "bundle": bundle,
    }


def _look_again(observed: Observed, server: ForkServer, bundle: str) -> Observed:
    """Return what was observed with what a second look adds: a second import, and ruff."""

    def import_again(files: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        jobs = [{**_job(observed, observed.root / file, bundle), "parts": True} for file in files]
        for ended in server.run(jobs):
            is_whole = _outcome(ended, observed, server.answers.redact).how == "parsed"
            yield observed.relative(Path(ended.job["path"])), ended.document or {} if is_whole else {}

    outcomes, failure = stability.add(observed.root, observed.outcomes, import_again), ""
    try:
        outcomes = lint.add(observed.root, outcomes)
    except (OperatorError, TransientError) as error:
        failure = error.message
    return replace(observed, outcomes=outcomes, lint_failure=failure)


def _outcome(ended: Ended, observed: Observed, redact: Callable[[str], str]) -> FileOutcome:
    file = observed.relative(Path(ended.job["path"]))
    document: dict[str, Any] = ended.document or {}
    common: dict[str, Any] = {"file": file, "output": ended.output, "duration_s": ended.duration_s, "left": ended.left}
    if ended.timed_out:
        detail = ended.over or f"the import was killed after {ended.duration_s:.0f} s"
        return FileOutcome(how="timed-out", detail=detail, **common)
    try:
        if ended.code == 0 and not ended.over:
            return _redacted(_parsed(document, ended, common), redact)
        detail = ended.over or document.get("failed") or why(ended)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Another hand than ours wrote the result, or none did.
        detail = str(document.get("failed") or why(ended))
    return FileOutcome(how="crashed", detail=redact(detail), inputs=(file,), **common)


def _redacted(outcome: FileOutcome, redact: Callable[[str], str]) -> FileOutcome:
    return replace(
        outcome,
        errors={file: redact(text) for file, text in outcome.errors.items()},
        warnings=tuple(map(redact, outcome.warnings)),
        attempts=tuple(replace(attempt, what=redact(attempt.what)) for attempt in outcome.attempts),
    )


def _parsed(document: Mapping[str, Any], ended: Ended, common: Mapping[str, Any]) -> FileOutcome:
    return FileOutcome(
        **common,
        how="parsed",
        dags=tuple(Dag.from_json({**dag, "file": common["file"]}) for dag in document["dags"]),
        errors=document["errors"],
        warnings=tuple(document["warnings"]),
        inputs=tuple(document["opened"]),
        import_s=document["duration_s"],
        imports=document["imports"],
        repeated=tuple(document["repeated"]),
        asked=tuple(dict.fromkeys(ended.asked)),
        touched=tuple((kind, name) for kind, name in document["touched"]),
        unclear=tuple(document["unclear"]),
        attempts=_attempts(document, ended),
        threads=tuple(document["threads"]),
    )


def _attempts(document: Mapping[str, Any], ended: Ended) -> tuple[Attempt, ...]:
    """Return what Python code tried, then what the kernel tells of programs and native code."""
    told = [Attempt(**attempt) for attempt in (*document["attempts"], *ended.tried.get("attempts", ()))]
    if ended.tried.get("sockets", 0) > document["sockets"]:
        told.append(Attempt(kind="network", what=SOCKET, by="native code", is_sure=False))
    return tuple(told)
