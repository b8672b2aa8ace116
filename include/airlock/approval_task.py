"""The bodies of the approval DAG's tasks: what a person answered is recorded, and an approved revision is published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airlock import approval, mirror as mirrors, source as sources, state as states, sync, sync_task

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
    reply = _reply(context)
    question = approval.answer(mirror, context["dag_run"].run_id, "approved", reply.who) if reply.is_approval else None
    if question is None:
        message = "the question is superseded: upstream or what is live has moved on; nothing was published"
        return sync.Outcome(source=name, result="unchanged", reason="Superseded", message=message)
    outcome = sync.publish_approved(source, state, question, sync_task.terms(environ))
    log.info("%s: %s", outcome.reason, outcome.message)
    for line in outcome.changes:
        log.info("change: %s", line)
    return outcome


def close(name: str, context: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Record that a person rejected the revision, or that nobody answered; an approval is recorded already."""
    source, state = sources.named(sources.load(environ), name), states.from_environment(environ)
    reply = _reply(context)
    if reply.is_approval:
        return
    given: approval.Answer = "rejected" if reply.who else "timed-out"
    question = approval.answer(mirrors.of(state, source), context["dag_run"].run_id, given, reply.who)
    log.info("%s", question or "the question was superseded")


def _reply(context: Mapping[str, Any]) -> Reply:
    told = context["ti"].xcom_pull(task_ids=approval.ASK) or {}
    user = told.get("responded_by_user") or {}
    return Reply(
        is_approval=told.get("chosen_options") == ["Approve"], who=str(user.get("name") or user.get("id") or "")
    )
