"""Imports DAG files of one tree in children of the warm process, each once, and those that may vary a second time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from airlock.errors import OperatorError, TransientError
from airlock.validate import lint, preimport, stability, told
from airlock.validate.answers import Answers
from airlock.validate.ended import Ended
from airlock.validate.forkserver import ForkServer
from airlock.validate.outcome import HAS_SECRET, FileOutcome, Observed
from airlock.validate.refused import SOCKET, Attempt

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
    what ruff would have told. The outcomes' texts are as Airflow has them, for the rules: those with a value that is to
    be hidden say so (`FileOutcome.has_secret`), and ``server.answers`` knows the values.
    """
    outcomes = tuple(_checked(one, server.answers) for one in _import_once(observed, server, bundle, paths, progress))
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
        outcomes.append(_outcome(ended, observed, server.answers))
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
            is_whole = _outcome(ended, observed, server.answers).how == "parsed"
            yield observed.relative(Path(ended.job["path"])), ended.document or {} if is_whole else {}

    outcomes, failure = stability.add(observed.root, observed.outcomes, import_again), ""
    try:
        outcomes = lint.add(observed.root, outcomes)
    except (OperatorError, TransientError) as error:
        failure = error.message
    return replace(observed, outcomes=outcomes, lint_failure=failure)


def _outcome(ended: Ended, observed: Observed, answers: Answers) -> FileOutcome:
    file = observed.relative(Path(ended.job["path"]))
    try:
        outcome = _told(ended, file)
        texts = "\n".join(_texts(outcome))
        answers.hide(file, (value for value in ended.masked if value in texts))
    except Exception as error:  # noqa: BLE001 - whatever a file does, it must not end the judgement of all others
        detail = f"Airlock cannot use its result: {type(error).__name__}: {error}"
        outcome = FileOutcome(file=file, how="crashed", detail=detail, inputs=(file,))
    return outcome


def _told(ended: Ended, file: str) -> FileOutcome:
    common: dict[str, Any] = {"file": file, "output": ended.output, "duration_s": ended.duration_s, "left": ended.left}
    if ended.timed_out:
        detail = ended.over or f"the import was killed after {ended.duration_s:.0f} s"
        return FileOutcome(how="timed-out", detail=detail, **common)
    if ended.code == 0 and not ended.over and (imported := told.imported(ended.document, file)):
        return _parsed(imported, ended, common)
    detail = ended.over or told.failure(ended.document) or why(ended)
    return FileOutcome(how="crashed", detail=detail, inputs=(file,), **common)


def _checked(outcome: FileOutcome, answers: Answers) -> FileOutcome:
    """Return an outcome that says whether its texts have a secret, once all secrets are known."""
    if outcome.how == "parsed":  # no rule reads what it printed
        outcome = replace(outcome, output=answers.redact(outcome.output, outcome.file))
    if all(answers.redact(text, outcome.file) == text for text in _texts(outcome)):
        return outcome
    return replace(outcome, unclear=(*outcome.unclear, HAS_SECRET))


def _texts(outcome: FileOutcome) -> Iterator[str]:
    """Yield all that a file could have written into an outcome, and that a finding may show."""
    yield from (outcome.detail, outcome.output, *outcome.errors.values(), *outcome.warnings, *outcome.threads)
    yield from (attempt.what for attempt in outcome.attempts)


def _parsed(imported: told.Imported, ended: Ended, common: Mapping[str, Any]) -> FileOutcome:
    return FileOutcome(
        **common,
        how="parsed",
        dags=imported.dags,
        errors=imported.errors,
        warnings=imported.warnings,
        inputs=imported.opened,
        import_s=imported.duration_s,
        imports=imported.imports,
        repeated=imported.repeated,
        asked=ended.asked,
        touched=imported.touched,
        unclear=imported.unclear,
        attempts=_attempts(imported, ended),
        threads=imported.threads,
    )


def _attempts(imported: told.Imported, ended: Ended) -> tuple[Attempt, ...]:
    """Return what Python code tried, then what the kernel tells of programs and native code."""
    tried = [*imported.attempts, *(Attempt(**attempt) for attempt in ended.tried.get("attempts", ()))]
    if ended.tried.get("sockets", 0) > imported.sockets:
        tried.append(Attempt(kind="network", what=SOCKET, by="native code", is_sure=False))
    return tuple(tried)
