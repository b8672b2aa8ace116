"""Judges one tree: discover, import each DAG file in a child, apply the rules."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from airlock.lockfile import distributions
from airlock.text import is_utf8, visible
from airlock.validate import imports, inputs
from airlock.validate.cache import Cache, Given, Remembered
from airlock.validate.forkserver import ForkServer
from airlock.validate.outcome import Discovery, Observed
from airlock.validate.policy import Policies, Policy, of_repository
from airlock.validate.rules import moved_file
from airlock.validate.ruling import apply
from airlock.verdict import Finding, Verdict, compare

_MISSING = re.compile(r"No module named|No such file or directory")


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


@dataclass(frozen=True, kw_only=True)
class Look:
    """A first look at a tree: ``recalled`` are the outcomes that hold already, ``files`` are still to be imported, by
    the names that findings use. ``started`` is when it began, as ``time.monotonic`` tells.
    """

    subject: Subject
    observed: Observed
    policies: Policies
    memory: Cache | None
    recalled: tuple[Remembered, ...]
    files: Mapping[str, Path]
    started: float


def judge(
    subject: Subject,
    server: ForkServer,
    *,
    progress: Callable[[int, int], None] | None = None,
    cache: Path | None = None,
) -> Verdict:
    """Return the verdict on a tree; `look` and `conclude`, which it calls, tell the rest."""
    return conclude(look(subject, server, cache=cache), server, progress=progress)


def look(
    subject: Subject,
    server: ForkServer,
    *,
    cache: Path | None = None,
    force: bool = False,
    given: Callable[[Cache], Given | None] | None = None,
) -> Look:
    """Return which DAG files there are, and which of them have to be imported.

    ``cache`` is a folder for the outcomes of imports: what has not changed since they were made is not imported again,
    unless by ``force``. ``given`` returns outcomes that others made; those of this very revision are taken as they are.
    Raises ``OperatorError`` when Airflow itself cannot be used.
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
    files = {observed.relative(folder / name): folder / name for name in discovery.files if is_utf8(name)}
    memory = memory_of(subject, server, cache) if cache else None
    handed_over = given(memory) if given and memory else None
    known: dict[str, Remembered] = {}
    if handed_over and handed_over.revision == subject.revision:
        known = {file: one for file, one in handed_over.remembered.items() if file in files}
    elif handed_over and memory:
        memory.adopt(handed_over.remembered)
    if memory and not force:
        recalled = {file: memory.recall(file, server.answers) for file in files if file not in known}
        known |= {file: one for file, one in recalled.items() if one}
    return Look(
        subject=subject,
        observed=observed,
        policies=policies,
        memory=memory,
        recalled=tuple(known.values()),
        files={file: path for file, path in files.items() if file not in known},
        started=started,
    )


def conclude(look: Look, server: ForkServer, *, progress: Callable[[int, int], None] | None = None) -> Verdict:
    """Import what is left and return the verdict. ``progress`` is told how many files of how many are done.

    Whatever a DAG file does is a finding. Raises ``OperatorError`` when Airflow itself cannot be used.
    """
    subject, policies, recalled, files = look.subject, look.policies, look.recalled, look.files
    observed = imports.import_all(look.observed, server, subject.bundle, list(files.values()), progress)
    if look.memory and not observed.lint_failure:
        new = [look.memory.remember(outcome, server.answers) for outcome in observed.outcomes]
        look.memory.store([*recalled, *new])
    outcomes = sorted([*(one.outcome for one in recalled), *observed.outcomes], key=lambda outcome: outcome.file)
    observed = _look_around(replace(observed, outcomes=tuple(outcomes)), subject)
    ruling = apply(observed, policies)
    verdict = Verdict(
        revision=subject.revision,
        result="rejected" if any(finding.severity == "error" for finding in ruling.findings) else "passed",
        environment=subject.environment,
        circumstances=server.wait_until_ready().circumstances,
        judged_at=datetime.now(UTC).isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - look.started, 3),
        total=len(observed.discovery.files),
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
        findings=tuple(_redacted(_hinted(finding, subject.left_out), server) for finding in ruling.findings),
        suppressed=tuple(replace(one, finding=_redacted(one.finding, server)) for one in ruling.suppressed),
        unchecked=ruling.unchecked,
        inputs=inputs.of(observed),
        asked={outcome.file: tuple(map(str, outcome.asked)) for outcome in observed.outcomes if outcome.asked},
    )
    return replace(verdict, changes=compare(subject.live, verdict))


def _installed_here() -> Mapping[str, str]:
    return {name: one.version for name, one in distributions.installed().items()}


def memory_of(subject: Subject, server: ForkServer, cache: Path) -> Cache:
    """Return the outcomes of imports that are kept for the tree of a subject in the folder ``cache``."""
    ready = server.wait_until_ready()
    circumstances = (subject.environment, ready.circumstances, subject.bundle, subject.subdir)
    return Cache(cache, circumstances, root=subject.root.resolve(), environ=ready.environ)


def _discover(server: ForkServer, folder: Path) -> Discovery:
    job = {"job": "discover", "folder": str(folder)}
    ended = next(iter(server.run([job])))
    document = ended.document or {"error": imports.why(ended)}
    return Discovery(
        files=tuple(document.get("files", ())),
        error=document.get("error") or document.get("failed") or "",
        ignore_files=document.get("ignore_files", {}),
    )


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


def _hinted(finding: Finding, left_out: str) -> Finding:
    """Return the finding with what the tree lacks, where something is missing."""
    if not left_out or not _MISSING.search(finding.message):
        return finding
    return replace(finding, hint=f"{left_out}; otherwise: {finding.hint}")


def _redacted(finding: Finding, server: ForkServer) -> Finding:
    message, hint = (server.answers.redact(text, finding.file) for text in (finding.message, finding.hint))
    return replace(finding, message=visible(message), hint=visible(hint))
