"""The bodies of the approval DAG's tasks: what a person answered is recorded, and an approved revision is published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from airlock import (
    approval,
    mirror as mirrors,
    publication,
    release as releases,
    source as sources,
    state as states,
    sync,
    sync_task,
)
from airlock.errors import AirlockError
from airlock.forge import delivery as forges, status as statuses
from airlock.mirror import Mirror

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What Airflow tells of an answer; nobody's is that of the time-out."""

    is_approval: bool
    who: str


def is_open(name: str, context: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Tell whether the question of a run still has to be asked."""
    source, state = sources.named(sources.load(environ), name), states.from_environment(environ)
    still = approval.is_open(mirrors.of(state, source), context["dag_run"].run_id)
    if not still:
        log.info("the question is superseded: nobody need answer")
    return still


def publish(name: str, context: Mapping[str, Any], environ: Mapping[str, str]) -> sync.Outcome:
    """Publish the revision that a person approved, if things are as they were when it was asked about.

    Raises ``AirlockError`` when something outside the revision is wrong.
    """
    source, state = sources.named(sources.load(environ), name), states.from_environment(environ)
    mirror = mirrors.of(state, source)
    reply, run_id = _reply(context), context["dag_run"].run_id
    question = approval.answer(mirror, run_id, "approved", reply.who) if reply.is_approval else None
    if question is None and (done := _published_before(mirror, run_id)):
        return done
    if question is None:
        message = "the question is superseded: upstream or what is live has moved on; nothing was published"
        return sync.Outcome(source=name, result="unchanged", reason="Superseded", message=message)
    try:
        outcome = sync.publish_approved(source, state, question, sync_task.terms(environ))
    except AirlockError:
        with suppress(AirlockError), mirror.locked():
            mirror.forget_judged()  # the next sync publishes it
        raise
    log.info("%s: %s", outcome.reason, outcome.message)
    for line in outcome.changes:
        log.info("change: %s", line)
    return outcome


def _published_before(mirror: Mirror, run_id: str) -> sync.Outcome | None:
    """Return what an earlier try of this task came to that was killed after its publish."""
    live = releases.live_revision(mirror)
    release = releases.of_revision(mirror, live) if live else None
    if release is None or release.kind != "approved" or not run_id.startswith(f"{release.revision[:12]}-"):
        return None
    return publication.unchanged(mirror, release)


def close(name: str, context: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Record that a person rejected the revision, or that nobody answered; an approval is recorded already."""
    source, state = sources.named(sources.load(environ), name), states.from_environment(environ)
    reply = _reply(context)
    if reply.is_approval:
        return
    given: approval.Answer = "rejected" if reply.who else "timed-out"
    mirror = mirrors.of(state, source)
    question = approval.answer(mirror, context["dag_run"].run_id, given, reply.who)
    log.info("%s", question or "the question was superseded")
    if question:
        forges.tell(mirror, statuses.refused(name, question, sync_task.page(context)))


def _reply(context: Mapping[str, Any]) -> Reply:
    told = context["ti"].xcom_pull(task_ids=approval.ASK) or {}
    user = told.get("responded_by_user") or {}
    return Reply(
        is_approval=told.get("chosen_options") == ["Approve"], who=str(user.get("name") or user.get("id") or "")
    )
