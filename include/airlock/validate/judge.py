"""Judges one tree: discover, import each DAG file in a child, apply the rules."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airlock.errors import OperatorError, TransientError
from airlock.lockfile import distributions
from airlock.validate import lint, preimport, stability
from airlock.validate.cache import Cache
from airlock.validate.ended import Ended
from airlock.validate.forkserver import ForkServer
from airlock.validate.outcome import Discovery, FileOutcome, Observed
from airlock.validate.policy import Policy, of_repository
from airlock.validate.refused import SOCKET, Attempt
from airlock.validate.rules import moved_file
from airlock.validate.ruling import apply
from airlock.verdict import Dag, Finding, Verdict, compare

_MISSING = re.compile(r"No module named|No such file or directory")
_FATAL_SIGNALS = {signal.SIGKILL: "; it may have used too much memory", signal.SIGXCPU: "; it used too much CPU time"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is judged: the tree of a revision at ``root``, its DAG folder, and what surrounds it.

    ``environment`` is the digest of what is installed, ``owners`` maps DAG ids of other bundles to their owner, and
    ``live`` is the verdict of what is live now. ``policy`` is the deployment's. ``unfinished`` tells how many
    unfinished runs a DAG has, ``bundle_of`` under which other bundle Airflow knows it; ``None``: nobody to ask.
    ``left_out`` says what the tree lacks of the repository, and how to have it. ``installed`` has the versions of what
    is installed where the files are imported; ``None``: here.
    """

    revision: str
    root: Path
    subdir: str = ""
    bundle: str = "dags"
    environment: str = ""
    owners: Mapping[str, str] = field(default_factory=dict)
    live: Verdict | None = None
    policy: Policy = field(default_factory=Policy)
    unfinished: Callable[[str], int] | None = None
    bundle_of: Callable[[str], str | None] | None = None
    installed: Mapping[str, str] | None = None
    left_out: str = ""


def judge(
    subject: Subject,
    server: ForkServer,
    *,
    progress: Callable[[int, int], None] | None = None,
    cache: Path | None = None,
) -> Verdict:
    """Return the verdict on a tree. ``progress`` is told how many files of how many are done.

    ``cache`` is a folder for the outcomes of imports: what has not changed since they were made is not imported again.

    Whatever a DAG file does is a finding. Raises ``OperatorError`` when Airflow itself cannot be used.
    """
    started = time.monotonic()
    root = subject.root.resolve()
    folder = root / subject.subdir
    discovery = _discover(server, folder)
    policies, faults = of_repository(root, subject.policy)
    observed = Observed(
        root=root,
        folder=folder,
        discovery=discovery,
        owners=subject.owners,
        live=subject.live,
        installed=_installed_here() if subject.installed is None else subject.installed,
        options=policies.options(),
        policy_faults=faults,
    )
    files = {observed.relative(folder / name): folder / name for name in discovery.files}
    memory = _memory(cache, observed, server, subject)
    recalled = [outcome for file in files if memory and (outcome := memory.recall(file, server.answers))]
    for outcome in recalled:
        del files[outcome.file]
    observed = replace(observed, outcomes=_import_all(observed, server, subject.bundle, list(files.values()), progress))
    observed = _look_again(observed, server, subject)
    if memory and not observed.lint_failure:
        memory.store([*recalled, *observed.outcomes], server.answers)
    outcomes = sorted([*recalled, *observed.outcomes], key=lambda outcome: outcome.file)
    observed = _look_around(replace(observed, outcomes=tuple(outcomes)), subject)
    ruling = apply(observed, policies)
    verdict = Verdict(
        revision=subject.revision,
        result="rejected" if any(finding.severity == "error" for finding in ruling.findings) else "passed",
        environment=subject.environment,
        judged_at=datetime.now(UTC).isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - started, 3),
        total=len(discovery.files),
        imported=len(files),
        cached=len(recalled),
        policy=subject.policy.digest,
        subdir=subject.subdir,
        lasting=ruling.lasting,
        dags=tuple(
            sorted(
                (dag for outcome in observed.outcomes for dag in outcome.dags), key=lambda dag: (dag.dag_id, dag.file)
            )
        ),
        findings=tuple(_hinted(_redacted(finding, server), subject.left_out) for finding in ruling.findings),
        suppressed=tuple(replace(one, finding=_redacted(one.finding, server)) for one in ruling.suppressed),
        unchecked=ruling.unchecked,
        inputs={outcome.file: outcome.inputs for outcome in observed.outcomes},
        asked={outcome.file: tuple(map(str, outcome.asked)) for outcome in observed.outcomes if outcome.asked},
    )
    return replace(verdict, changes=compare(subject.live, verdict))


def _installed_here() -> Mapping[str, str]:
    return {name: one.version for name, one in distributions.installed().items()}


def _memory(cache: Path | None, observed: Observed, server: ForkServer, subject: Subject) -> Cache | None:
    if cache is None:
        return None
    ready = server.wait_until_ready()
    circumstances = (subject.environment, ready.circumstances, subject.bundle, subject.subdir)
    return Cache(cache, circumstances, root=observed.root, environ=ready.environ)


def _discover(server: ForkServer, folder: Path) -> Discovery:
    job = {"job": "discover", "folder": str(folder)}
    ended = next(iter(server.run([job])))
    document = ended.document or {"error": _why(ended)}
    return Discovery(
        files=tuple(document.get("files", ())),
        error=document.get("error") or document.get("failed") or "",
        ignore_files=document.get("ignore_files", {}),
    )


def _import_all(
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
        outcomes.append(_outcome(ended, observed))
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


def _look_again(observed: Observed, server: ForkServer, subject: Subject) -> Observed:
    """Return what was observed with what a second look adds: a second import, and ruff."""

    def import_again(files: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        jobs = [{**_job(observed, observed.root / file, subject.bundle), "parts": True} for file in files]
        for ended in server.run(jobs):
            is_whole = _outcome(ended, observed).how == "parsed"
            yield observed.relative(Path(ended.job["path"])), ended.document or {} if is_whole else {}

    outcomes, failure = stability.add(observed.root, observed.outcomes, import_again), ""
    try:
        outcomes = lint.add(observed.root, outcomes)
    except (OperatorError, TransientError) as error:
        failure = error.message
    return replace(observed, outcomes=outcomes, lint_failure=failure)


def _look_around(observed: Observed, subject: Subject) -> Observed:
    """Return what was observed with the unfinished runs of moved DAGs, and the bundles of new DAGs that are known."""
    if subject.unfinished is not None:
        runs = {dag_id: subject.unfinished(dag_id) for dag_id in moved_file.moved(observed)}
        observed = replace(observed, unfinished=runs)
    if subject.bundle_of is not None:
        dag_ids = {dag.dag_id for outcome in observed.outcomes for dag in outcome.dags} - observed.live_dags.keys()
        bundles = {dag_id: subject.bundle_of(dag_id) for dag_id in sorted(dag_ids - observed.owners.keys())}
        observed = replace(observed, elsewhere={dag_id: name for dag_id, name in bundles.items() if name})
    return observed


def _outcome(ended: Ended, observed: Observed) -> FileOutcome:
    file = observed.relative(Path(ended.job["path"]))
    document: dict[str, Any] = ended.document or {}
    common: dict[str, Any] = {"file": file, "output": ended.output, "duration_s": ended.duration_s, "left": ended.left}
    if ended.timed_out:
        detail = ended.over or f"the import was killed after {ended.duration_s:.0f} s"
        return FileOutcome(how="timed-out", detail=detail, **common)
    try:
        if ended.code == 0 and not ended.over:
            return _parsed(document, ended, common)
        detail = ended.over or document.get("failed") or _why(ended)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Another hand than ours wrote the result, or none did.
        detail = str(document.get("failed") or _why(ended))
    return FileOutcome(how="crashed", detail=detail, inputs=(file,), **common)


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


def _why(ended: Ended) -> str:
    if ended.code < 0:
        number = signal.Signals(-ended.code)
        return f"killed by {number.name}{_FATAL_SIGNALS.get(number, '')}"
    return f"exit status {ended.code}, without a result"


def _hinted(finding: Finding, left_out: str) -> Finding:
    """Return the finding with what the tree lacks, where something is missing."""
    if not left_out or not _MISSING.search(finding.message):
        return finding
    return replace(finding, hint=f"{left_out}; otherwise: {finding.hint}")


def _redacted(finding: Finding, server: ForkServer) -> Finding:
    return replace(finding, message=server.answers.redact(finding.message))
