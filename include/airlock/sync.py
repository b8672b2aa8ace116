"""One sync: fetch, validate, publish. What it did is a value; errors are for the operator.

Steps, and what a crash after each leaves behind:

1. fetch: the mirror has upstream's commits; nobody looks at them yet.
2. validate: the verdict is a note; the next sync of the same revision under the same circumstances uses it.
3. tree: the DAG processor is asked to parse first what the revision changes, which it minds once that is live; the
   files of the revision stand on disk; no pointer names them.
4. publish: ``live`` and the release tag exist, or neither.
5. renew: what stays live has a verdict of today's environment and policy; it stays, whatever the verdict is.
6. judged: the watcher of the source is at peace. Without it the watcher asks for another sync, which finds all done.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from airlock import (
    __version__,
    approval,
    confirm,
    credentials,
    git,
    guards,
    hold as holds,
    mirror as mirrors,
    release as releases,
    signature,
    tree,
)
from airlock.approval import Question
from airlock.errors import AirlockError, StateError
from airlock.guards import Objection
from airlock.hold import Hold
from airlock.lockfile import artifact, distributions, store
from airlock.mirror import Mirror
from airlock.release import Release
from airlock.sandbox import isolation
from airlock.source import Source
from airlock.state import State
from airlock.validate import policy as policies
from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge
from airlock.validate.limits import Limits
from airlock.validate.policy import Policy
from airlock.verdict import Verdict, compare

log = logging.getLogger(__name__)

RECORD = "sync"
SYSTEM_DAGS = ("airlock_lockfile", "airlock_housekeeping", "airlock_rehearsal", "airlock_watchdog")
Result = Literal["published", "unchanged", "passed", "waiting", "rejected", "error"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a sync is asked to do. An empty ``ref`` means what the source follows.

    ``force`` validates a revision again that has a verdict already; ``dry_run`` validates and publishes nothing.
    """

    ref: str = ""
    force: bool = False
    dry_run: bool = False
    who: str = "airlock"
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a deployment adds to every judgement: how to read its policy, its limits, who knows a DAG's unfinished runs,
    and who knows the other bundle that has a DAG. ``ask`` puts a question to a person: source, run id, what is
    shown, and whether to ask again what was asked before.
    """

    policy: Callable[[], Policy] = Policy
    limits: Limits = field(default_factory=Limits)
    unfinished: Callable[[str], int] | None = None
    bundle_of: Callable[[str], str | None] | None = None
    ask: Callable[[str, str, Mapping[str, Any], bool], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a sync did. ``reason`` is one CamelCase word; ``release`` is the number of the release that is live for
    ``revision``.

    ``awaited`` are the DAG ids that Airflow's DAG processor has to show on this revision before it is confirmed.
    ``opens`` is when a revision that waits for its publish window has to be synced again.
    """

    source: str
    result: Result
    reason: str
    message: str
    revision: str | None = None
    release: int | None = None
    awaited: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    opens: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as lists and plain values: Airflow would store a tuple as something else."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def run(source: Source, state: State, request: Request, answers: Answers, terms: Terms | None = None) -> Outcome:
    """Bring a source to what was asked for, and record how that went in the mirror.

    Raises ``AirlockError`` when something outside the revision is wrong; that is recorded too where the mirror allows
    it.
    """
    mirror = mirrors.of(state, source)
    try:
        outcome = _run(mirror, state, request, answers, terms or Terms())
    except AirlockError as error:
        _record(mirror, request, Outcome(source=source.name, result="error", reason=error.reason, message=str(error)))
        raise
    _record(mirror, request, outcome)
    return outcome


def environment_digest() -> str:
    """Return the digest under which verdicts are valid: what is installed, and which Airlock judged."""
    return f"{distributions.digest()}+airlock-{__version__}"


def circumstances(mirror: Mirror, policy: Policy) -> dict[str, str]:
    """Return what a verdict has to have been given under to be that of today: ``Verdict.is_valid_for`` takes it."""
    return {"environment": environment_digest(), "policy": policy.digest, "subdir": mirror.source.subdir}


def affected_files(mirror: Mirror, verdict: Verdict, live: str | None) -> tuple[str, ...]:
    """Return the DAG files of a verdict that have an input which differs from what is live; never none of several."""
    files = _touched(mirror, verdict, live)
    # Nothing to parse again: one file is, all the same, so that the DAG processor is seen to have taken the release.
    return files or tuple(sorted({dag.file for dag in verdict.dags})[:1])


def _touched(mirror: Mirror, verdict: Verdict, live: str | None) -> tuple[str, ...]:
    if live is None:
        return tuple(verdict.inputs)
    before, after = tree.entries(mirror.path, live), tree.entries(mirror.path, verdict.revision)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return tuple(file for file, inputs in verdict.inputs.items() if changed & {file, *inputs})


def awaited_dags(verdict: Verdict, files: tuple[str, ...]) -> tuple[str, ...]:
    """Return the DAGs that Airflow has to show before a release that affects these files is confirmed."""
    return tuple(dag.dag_id for dag in verdict.dags if dag.file in files)


def lock_digest(state: State) -> str:
    """Return the sha256 of the ``pylock.toml`` that is published, empty when there is none that can be read."""
    try:
        published = store.read(state.environment)
    except AirlockError:
        return ""
    return published.artifact.manifest.files.get(artifact.PYLOCK, "") if published else ""


def _run(mirror: Mirror, state: State, request: Request, answers: Answers, terms: Terms) -> Outcome:
    source = mirror.source
    # It imports Airflow while the repository is fetched.
    with isolation.server(answers, state.cache / "validate", os.environ, limits=terms.limits) as server:
        with credentials.access(source) as upstream, mirror.locked():
            _fetch(mirror, upstream)
        followed = mirror.upstream_revision()
        revision = mirror.resolve(request.ref) if request.ref else followed
        if revision is None:
            raise StateError(
                f"source {source.name}: the mirror has no {source.follows} after a fetch", reason="MirrorDamaged"
            )
        log.info("source %s: %s is at %s", source.name, request.ref or source.follows, revision)
        live = releases.live_revision(mirror)
        released = releases.of_revision(mirror, revision)
        today = circumstances(mirror, terms.policy())
        if revision == live and released and not request.force and _is_of(mirror.read_verdict(live), today):
            outcome = _unchanged(mirror, released)
        elif revision != live and (fault := signature.fault(mirror, revision)):
            message = f"{revision[:12]} is neither imported nor published: {fault}"
            outcome = Outcome(
                source=source.name, result="rejected", reason="UntrustedCommit", message=message, revision=revision
            )
        else:
            if live not in (None, revision) and mirror.read_verdict(str(live)) is None:
                with suppress(
                    StateError
                ):  # as when another subdir was set since: then there is nothing to compare with
                    _judge(mirror, state, str(live), live, Request(), server, terms)
            verdict = _judge(mirror, state, revision, live, request, server, terms)
            outcome = _publish(mirror, state, verdict, live, request, terms)
        if live not in (None, revision) and outcome.result != "published" and not request.dry_run:
            outcome = _renew(mirror, state, str(live), outcome, server, terms, today)
    if revision == followed and not request.dry_run:
        with mirror.locked():
            mirror.mark_judged(revision, under={**today, "at": datetime.now(UTC).isoformat(), "opens": outcome.opens})
    return outcome


def _is_of(verdict: Verdict | None, today: Mapping[str, str]) -> bool:
    return verdict is not None and all(getattr(verdict, name) == value for name, value in today.items())


def _renew(
    mirror: Mirror,
    state: State,
    live: str,
    outcome: Outcome,
    server: ForkServer,
    terms: Terms,
    today: Mapping[str, str],
) -> Outcome:
    """Give what stays live a verdict of today; return the outcome, which tells when live no longer passes."""
    verdict = mirror.read_verdict(live)
    if not _is_of(verdict, today):
        verdict = _judge(mirror, state, live, live, Request(), server, terms)
    if verdict is None or verdict.result == "passed":
        return outcome
    message = f"{outcome.message}; {live[:12]}, which is live and stays so, no longer passes: {verdict.summary}"
    log.error("%s", message)
    return replace(outcome, message=message)


def _fetch(mirror: Mirror, upstream: credentials.Access) -> None:
    try:
        mirror.fetch(upstream.url, env=upstream.env)
    except StateError as error:
        if error.reason != "MirrorDamaged":
            raise
        log.warning("%s; it is made again from upstream and from what can be read", error.message)
        mirror.rebuild(upstream.url, env=upstream.env)


def _judge(
    mirror: Mirror,
    state: State,
    revision: str,
    live: str | None,
    request: Request,
    server: ForkServer,
    terms: Terms,
) -> Verdict:
    live_verdict = mirror.read_verdict(live) if live else None
    known = mirror.read_verdict(revision)
    policy = terms.policy()
    if known and known.is_valid_for(**circumstances(mirror, policy)) and not request.force:
        log.info("revision %s was judged before under the same circumstances; force judges it again", revision)
        return replace(known, changes=compare(live_verdict, known))
    root = server.scratch / revision
    tree.check_out(mirror.path, revision, root)
    if not (root / mirror.source.subdir).is_dir():
        raise StateError(
            f"source {mirror.source.name}: revision {revision[:12]} has no directory {mirror.source.subdir!r}",
            hint="set subdir to the folder of the repository that holds the DAG files",
            reason="SubdirMissing",
        )
    subject = Subject(
        revision=revision,
        root=root,
        subdir=mirror.source.subdir,
        bundle=mirror.source.name,
        environment=environment_digest(),
        owners=_owners(mirror, state),
        live=live_verdict,
        policy=policy,
        unfinished=terms.unfinished,
        bundle_of=terms.bundle_of,
    )
    verdict = judge(subject, server, cache=None if request.force else state.outcomes)
    with mirror.locked():
        mirror.write_verdict(verdict)
    log.info("revision %s %s", revision, verdict.summary)
    return verdict


def publish_approved(source: Source, state: State, question: Question, terms: Terms) -> Outcome:
    """Publish the revision of a question that a person has approved, unless a hold or a closed window is in the way.

    Raises ``AirlockError`` as a sync does.
    """
    mirror = mirrors.of(state, source)
    verdict = mirror.read_verdict(question.revision)
    if verdict is None:
        raise StateError(
            f"source {source.name}: the verdict on {question.revision[:12]} cannot be read",
            hint=f"airlock sync --ref {question.revision[:12]} judges it again",
        )
    live_verdict = mirror.read_verdict(question.live) if question.live else None
    verdict = replace(verdict, changes=compare(live_verdict, verdict))
    request = Request(who=question.who, why=question.why)
    outcome = _publish(mirror, state, verdict, question.live, request, terms)
    if outcome.opens and question.revision == question.head:
        under = {**mirror.judged_under(), "opens": outcome.opens}
        with mirror.locked():
            mirror.mark_judged(question.revision, under=under)
    _record(mirror, request, outcome)
    return outcome


def _publish(
    mirror: Mirror, state: State, verdict: Verdict, live: str | None, request: Request, terms: Terms
) -> Outcome:
    told = tuple(
        f"{finding.place or mirror.source.name}: {finding.message} [{finding.rule}]" for finding in verdict.findings
    )
    common: dict[str, Any] = {"source": mirror.source.name, "revision": verdict.revision, "findings": told}
    if verdict.result != "passed" and verdict.revision == live:
        message = f"{live[:12]} is live and stays so, but does not pass in this environment: {verdict.summary}"
        return Outcome(result="rejected", reason="LiveFails", message=message, **common)
    if verdict.result != "passed":
        return Outcome(result="rejected", reason="ValidationFailed", message=verdict.summary, **common)
    if request.dry_run:
        return Outcome(
            result="passed", reason="DryRun", message=verdict.summary, changes=verdict.changes.lines, **common
        )
    released = releases.of_revision(mirror, verdict.revision)
    if verdict.revision == live and released:
        return _unchanged(mirror, released)
    if held := holds.read(mirror):
        return _on_hold(held, verdict, common)
    waiting, question = _guard(mirror, verdict, live, request, terms, common)
    return waiting or _go_live(mirror, state, verdict, live, request, common, question)


def _guard(
    mirror: Mirror,
    verdict: Verdict,
    live: str | None,
    request: Request,
    terms: Terms,
    common: Mapping[str, Any],
) -> tuple[Outcome | None, Question | None]:
    """Return what the guards make of a revision, ``None`` when it may go live, and the question that was answered."""
    objections = _objections(mirror, verdict, live, terms)
    question = None
    if to_ask := [objection for objection in objections if not objection.until]:
        question = approval.of(mirror, verdict, live, to_ask, request.why)
        if question.answer != "approved":
            return _ask(mirror, question, verdict, request, terms, common), None
    if of_time := [objection for objection in objections if objection.until]:
        told = "; ".join(objection.message for objection in of_time)
        message = f"{verdict.summary}; not published: {told}"
        opens = max((objection.until for objection in of_time), key=datetime.fromisoformat)
        lines = verdict.changes.lines
        closed = Outcome(
            result="waiting", reason="OutsideWindow", message=message, opens=opens, changes=lines, **common
        )
        return closed, None
    return None, question


def _objections(mirror: Mirror, verdict: Verdict, live: str | None, terms: Terms) -> tuple[Objection, ...]:
    settings = guards.settings.of(
        terms.policy().guards,
        _policy_of(mirror, verdict.revision).guards,
        _policy_of(mirror, live).guards if live else {},
    )
    return guards.check(
        verdict,
        mirror.read_verdict(live) if live else None,
        settings,
        touched=frozenset(_touched(mirror, verdict, live)),
        source=mirror.source.name,
        now=datetime.now(UTC),
    )


def _policy_of(mirror: Mirror, revision: str) -> Policy:
    """Return the policy of a revision's repository as far as it is right: what is wrong in it is a finding."""
    text = git.read_blob(mirror.path, f"{revision}:{policies.FILE}") or b""
    return policies.parse(text.decode("utf-8", "replace"))[0]


def _ask(
    mirror: Mirror,
    question: Question,
    verdict: Verdict,
    request: Request,
    terms: Terms,
    common: Mapping[str, Any],
) -> Outcome:
    if request.force:
        question = replace(question, answer="", who="")
    with mirror.locked():
        approval.write(mirror, question)
    if terms.ask and not question.answer:
        page = approval.page(mirror.source.name, question, verdict.changes.lines)
        terms.ask(mirror.source.name, question.run_id, page, request.force)
    message = f"{verdict.summary}; not published: {question}"
    return Outcome(result="waiting", reason="ApprovalNeeded", message=message, changes=verdict.changes.lines, **common)


def _go_live(
    mirror: Mirror,
    state: State,
    verdict: Verdict,
    live: str | None,
    request: Request,
    common: Mapping[str, Any],
    approved: Question | None,
) -> Outcome:
    """Publish; ``approved`` is the question that a person has answered, if one had to be asked."""
    affected = affected_files(mirror, verdict, live)
    awaited = awaited_dags(verdict, affected)
    live_verdict = mirror.read_verdict(live) if live else None
    confirm.ask(state.enquiry(mirror.source.name), verdict, awaited, live_verdict)
    tree.materialise(mirror.path, verdict.revision, state.trees(mirror.source.name), previous=live, affected=affected)
    lock = lock_digest(state)
    with mirror.locked():
        if held := holds.read(mirror):  # since the sync began
            return _on_hold(held, verdict, common)
        release = releases.publish(
            mirror,
            verdict,
            expected=live,
            who=approved.who if approved else request.who,
            why=approved.why if approved else request.why,
            changes=verdict.changes,
            kind="approved" if approved else "release",
            lock=lock,
        )
        if release and approval.read(mirror):
            approval.write(mirror, None)
    if release is None:
        return Outcome(
            result="unchanged", reason="LostRace", message="another release was published meanwhile", **common
        )
    message = f"release {release.number} is live: {verdict.summary}"
    return Outcome(
        result="published",
        reason="Published",
        message=message,
        release=release.number,
        awaited=awaited,
        changes=release.changes,
        **common,
    )


def _on_hold(held: Hold, verdict: Verdict, common: Mapping[str, Any]) -> Outcome:
    message = f"{verdict.summary}; not published: {held}"
    return Outcome(result="waiting", reason="OnHold", message=message, changes=verdict.changes.lines, **common)


def _unchanged(mirror: Mirror, release: Release) -> Outcome:
    # A sync that was killed after its publish left a release that nobody has confirmed.
    verdict = None if confirm.is_confirmed(mirror, release.number) else mirror.read_verdict(release.revision)
    return Outcome(
        source=mirror.source.name,
        result="unchanged",
        reason="AlreadyLive",
        message=f"{release.revision[:12]} is live already, as release {release.number}",
        revision=release.revision,
        release=release.number,
        awaited=awaited_dags(verdict, affected_files(mirror, verdict, release.previous)) if verdict else (),
    )


def system_dags(source: str) -> tuple[str, ...]:
    """Return the ids of Airlock's own DAGs for one source."""
    return (f"airlock_sync_{source}", f"airlock_release_{source}", f"airlock_approval_{source}")


def _owners(mirror: Mirror, state: State) -> Mapping[str, str]:
    """Return the DAG ids that belong to other bundles: Airlock's own DAGs, and what other sources have live."""
    owners = dict.fromkeys(SYSTEM_DAGS, "Airlock")
    for other in state.sources.glob("*.git"):
        owners.update(dict.fromkeys(system_dags(other.stem), "Airlock"))
        if other != mirror.path:
            theirs = Mirror(path=other, source=Source(name=other.stem))
            live = releases.live_revision(theirs)
            verdict = theirs.read_verdict(live) if live else None
            owners.update({dag.dag_id: f"source {other.stem}" for dag in verdict.dags} if verdict else {})
    return owners


def _record(mirror: Mirror, request: Request, outcome: Outcome) -> None:
    record = {**outcome.to_json(), **asdict(request), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        with mirror.locked():
            mirror.write_record(RECORD, record)
    except AirlockError as error:  # the state cannot be written: the log of the task tells the same
        log.warning("the outcome could not be recorded: %s", error.message)
