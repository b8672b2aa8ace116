"""The publication of a revision that was judged: hold, guards, the tree on disk, then ``live`` and the release tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airlock import approval, confirm, git, guards, hold as holds, release as releases, tree
from airlock.approval import Question
from airlock.errors import AirlockError, StateError
from airlock.guards import Objection
from airlock.hold import Hold
from airlock.judgement import Terms
from airlock.lockfile import artifact, store
from airlock.mirror import Mirror
from airlock.outcome import Outcome, Request
from airlock.release import Release
from airlock.state import State
from airlock.validate import policy as policies, rules
from airlock.validate.policy import Policy
from airlock.verdict import Verdict

_AGAIN = timedelta(minutes=10)  # what goes on in Airflow may have ended by then


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
    return verdict.affected_by(changed)


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


def publish(
    mirror: Mirror, state: State, verdict: Verdict, live: str | None, request: Request, terms: Terms
) -> Outcome:
    """Publish a revision that passed, unless a hold or a guard is in the way; tell what became of it.

    ``live`` is what the verdict was compared with: where something else is live, nothing is published.
    """
    told = tuple(
        f"{finding.place or mirror.source.name}: {finding.message} [{finding.rule}]" for finding in verdict.findings
    )
    common: dict[str, Any] = {"source": mirror.source.name, "revision": verdict.revision, "findings": told}
    if verdict.result != "passed" and verdict.revision == live:
        message = f"{live[:12]} is live and stays so, but does not pass in this environment: {verdict.summary}"
        return Outcome(result="rejected", reason="LiveFails", message=message, **common)
    if verdict.result != "passed":
        errors = {finding.rule for finding in verdict.findings if finding.severity == "error"}
        again = (datetime.now(UTC) + _AGAIN).isoformat() if errors <= rules.OF_THE_MOMENT else ""
        return Outcome(result="rejected", reason="ValidationFailed", message=verdict.summary, opens=again, **common)
    if request.dry_run:
        return Outcome(
            result="passed", reason="DryRun", message=verdict.summary, changes=verdict.changes.lines, **common
        )
    released = releases.of_revision(mirror, verdict.revision)
    if verdict.revision == live and released:
        return unchanged(mirror, released)
    if held := holds.read(mirror):
        return _on_hold(held, verdict, common)
    waiting, question = _guard(mirror, verdict, live, request, terms, common)
    return waiting or _go_live(mirror, state, verdict, live, request, terms, common, question)


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
    text = git.read_blob(mirror.path, f"{tree.of(mirror.path, revision)}:{policies.FILE}") or b""
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
        known = approval.read(mirror)
        is_new = known is None or not known.is_same(question)
        if known and not is_new and not request.force:
            question = known  # somebody may have answered meanwhile
        approval.write(mirror, question)
    if known and is_new and not known.answer and terms.end:
        terms.end(mirror.source.name, known.run_id)
    if terms.ask and not question.answer:
        page = approval.page(mirror.source.name, question, verdict.changes.lines)
        # Its run may be there from an earlier time, ended when another question superseded it.
        terms.ask(mirror.source.name, question.run_id, page, request.force or is_new)
    message = f"{verdict.summary}; not published: {question}"
    return Outcome(result="waiting", reason="ApprovalNeeded", message=message, changes=verdict.changes.lines, **common)


def _go_live(
    mirror: Mirror,
    state: State,
    verdict: Verdict,
    live: str | None,
    request: Request,
    terms: Terms,
    common: Mapping[str, Any],
    approved: Question | None,
) -> Outcome:
    """Publish; ``approved`` is the question that a person has answered, if one had to be asked."""
    affected = affected_files(mirror, verdict, live)
    awaited = awaited_dags(verdict, affected)
    live_verdict = mirror.read_verdict(live) if live else None
    confirm.ask(state.enquiry(mirror.source.name), verdict, awaited, live_verdict)
    tree.materialise(
        mirror.path,
        verdict.revision,
        state.trees(mirror.source.name),
        subdir=verdict.subdir,
        previous=live,
        affected=affected,
    )
    lock = lock_digest(state)
    with mirror.locked():
        if held := holds.read(mirror):  # since the sync began
            return _on_hold(held, verdict, common)
        if tree.composed(mirror.path, verdict.revision) != verdict.tree:  # what is on disk was not judged
            raise StateError(
                f"{mirror.subject}: the tree of {verdict.revision[:12]} was composed anew since it was judged",
                hint="the next sync judges it again",
            )
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
        if release and (known := approval.read(mirror)) and known.answer:
            approval.write(mirror, None)
    approval.withdraw(mirror, terms.end)
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


def unchanged(mirror: Mirror, release: Release) -> Outcome:
    """Return the outcome of a sync to what is live; one that nobody has confirmed is awaited again."""
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
