"""One sync: fetch, validate, publish. What it did is a value; errors are for the operator.

Steps, and what a crash after each leaves behind:

1. fetch: the mirror has upstream's commits, and the tree of the revision where it is composed; nobody looks yet. State
   and release repository agree. A question that the commits supersede is withdrawn.
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
from dataclasses import asdict, replace
from datetime import UTC, datetime

from airlock import (
    agreement,
    approval,
    composition,
    credentials,
    judgement,
    mirror as mirrors,
    publication,
    rebuild,
    release as releases,
    signature,
    variant,
)
from airlock.approval import Question
from airlock.errors import AirlockError, CommandFailed, StateError
from airlock.judgement import Terms
from airlock.mirror import Mirror
from airlock.outcome import Outcome, Request
from airlock.sandbox import isolation
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers
from airlock.verdict import Verdict, compare

__all__ = ("RECORD", "Outcome", "Request", "Terms", "publish_approved", "run")

log = logging.getLogger(__name__)

RECORD = "sync"


def run(source: Source, state: State, request: Request, answers: Answers, terms: Terms | None = None) -> Outcome:
    """Bring a source to what was asked for, and record how that went in the mirror.

    Raises ``AirlockError`` when something outside the revision is wrong; that is recorded too where the mirror allows
    it.
    """
    mirror = mirrors.of(state, source)
    try:
        outcome = _run_and_mend(mirror, state, request, answers, terms or Terms())
    except AirlockError as error:
        _record(mirror, request, Outcome(source=source.name, result="error", reason=error.reason, message=str(error)))
        raise
    _record(mirror, request, outcome)
    return outcome


def _run(mirror: Mirror, state: State, request: Request, answers: Answers, terms: Terms) -> Outcome:
    source = mirror.source
    # It imports Airflow while the repository is fetched.
    with isolation.server(answers, state.cache / "validate", os.environ, limits=terms.limits) as server:
        with credentials.access(source) as upstream, mirror.fetching():
            mirror.fetch(upstream.url, env=upstream.env)
            followed = mirror.upstream_revision()
            asked = mirror.resolve(request.ref) if request.ref else followed
            if asked is None:
                raise StateError(
                    f"source {source.name}: the mirror has no {source.follows} after a fetch", reason="MirrorDamaged"
                )
            revision = composition.compose(mirror, asked, upstream, state.trees(source.name))
        agreement.try_to_agree(mirror)
        log.info("source %s: %s is at %s", source.name, request.ref or source.follows, asked)
        approval.withdraw(mirror, terms.end)
        live = releases.live_revision(mirror)
        released = releases.of_revision(mirror, revision)
        today = judgement.circumstances(mirror, terms.policy())
        if revision == live and released and not request.force and judgement.is_of(mirror.read_verdict(live), today):
            outcome = publication.unchanged(mirror, released)
        elif revision != live and (fault := signature.fault(mirror, asked)):
            message = f"{revision[:12]} is neither imported nor published: {fault}"
            outcome = Outcome(
                source=source.name, result="rejected", reason="UntrustedCommit", message=message, revision=revision
            )
        else:
            if live not in (None, revision) and mirror.read_verdict(str(live)) is None:
                judgement.of_live(mirror, state, str(live), server, terms)  # else there is nothing to compare with
            verdict = judgement.of_revision(mirror, state, revision, live, server, terms, force=request.force)
            outcome = publication.publish(mirror, state, verdict, live, request, terms)
        if live not in (None, revision) and outcome.result != "published" and not request.dry_run:
            outcome = _with_live(outcome, judgement.of_live(mirror, state, str(live), server, terms))
    # What lost against another release is asked for again: things are not as they were when it was judged.
    if asked == followed and not request.dry_run and outcome.reason != "LostRace":
        with mirror.locked():
            mirror.mark_judged(
                asked,
                under={**today, "takes": source.takes, "at": datetime.now(UTC).isoformat(), "opens": outcome.opens},
            )
    return outcome


def _with_live(outcome: Outcome, live: Verdict | None) -> Outcome:
    """Return the outcome, which tells when what stays live no longer passes."""
    if live is None or live.result == "passed":
        return outcome
    stays = f"{live.revision[:12]}, which is live and stays so, no longer passes: {live.summary}"
    log.error("source %s: %s", outcome.source, stays)
    return replace(outcome, message=f"{outcome.message}; {stays}")


def _run_and_mend(mirror: Mirror, state: State, request: Request, answers: Answers, terms: Terms) -> Outcome:
    """Do as `_run`; a mirror that turns out to be damaged is made again, once, and all is done from the start."""
    try:
        return _run(mirror, state, request, answers, terms)
    except AirlockError as error:
        if not rebuild.is_due(mirror, error):
            raise
        log.warning("%s; the mirror is made again from upstream and from what can be read", error.message)
    with credentials.access(mirror.source) as upstream, mirror.fetching():
        rebuild.rebuild(mirror, upstream.url, env=upstream.env)
    try:
        return _run(mirror, state, request, answers, terms)
    except CommandFailed as error:
        if not rebuild.is_due(mirror, error):
            raise
        raise StateError(
            f"{mirror.subject}: the mirror was made again and still cannot be read: {error.stderr}",
            hint=f"look at the disk, or restore {mirror.path} from a backup",
            reason="MirrorDamaged",
        ) from error


def publish_approved(source: Source, state: State, question: Question, terms: Terms) -> Outcome:
    """Publish the revision of a question that a person has approved, unless a hold or a closed window is in the way, or
    what it was judged under is not so any more: then the next sync judges it again, and publishes it as approved.

    Raises ``AirlockError`` as a sync does; after one the caller has the newest revision count as not judged.
    """
    mirror = mirrors.of(state, source)
    agreement.try_to_agree(mirror)
    verdict = mirror.read_verdict(question.revision)
    if verdict is None:
        raise StateError(
            f"source {source.name}: the verdict on {question.revision[:12]} cannot be read",
            hint=f"airlock sync --ref {question.revision[:12]} judges it again",
        )
    request = Request(who=question.who, why=question.why)
    if not judgement.is_of_today(mirror, state, verdict, terms):
        with mirror.locked():
            mirror.forget_judged()
        message = f"{question}; it was judged under other circumstances: the next sync judges it again and publishes it"
        return Outcome(
            source=source.name, result="waiting", reason="JudgedBefore", message=message, revision=question.revision
        )
    live_verdict = mirror.read_verdict(question.live) if question.live else None
    verdict = replace(verdict, changes=compare(live_verdict, verdict))
    outcome = publication.publish(mirror, state, verdict, question.live, request, terms)
    if outcome.opens and variant.upstreams(mirror, question.revision) == question.head:
        under = {**mirror.judged_under(), "opens": outcome.opens}
        with mirror.locked():
            mirror.mark_judged(question.head, under=under)
    _record(mirror, request, outcome)
    return outcome


def _record(mirror: Mirror, request: Request, outcome: Outcome) -> None:
    record = {**outcome.to_json(), **asdict(request), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        with mirror.locked():
            mirror.write_record(RECORD, record)
    except AirlockError as error:  # the state cannot be written: the log of the task tells the same
        log.warning("the outcome could not be recorded: %s", error.message)
