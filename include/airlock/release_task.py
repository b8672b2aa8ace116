"""The body of the release DAG's task: rollback, hold or resume, as the form or the command line asks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airlock import (
    approval,
    hold as holds,
    mirror as mirrors,
    resume as resumes,
    rollback,
    source as sources,
    stack,
    state as states,
    sync,
    sync_task,
)
from airlock.validate.answers import Answers

log = logging.getLogger(__name__)


def act(name: str, context: Mapping[str, Any], environ: Mapping[str, str]) -> sync.Outcome:
    """Do what the run's parameters say and return how it ended.

    Raises ``AirlockError`` when it cannot be done.
    """
    source, state = sources.named(sources.load(environ), name), states.from_environment(environ)
    mirror = mirrors.of(state, source)
    params, who = context["params"], sync_task.who(context)
    why = params["reason"] or ""  # the form sends null for an empty field
    if params["action"] == "rollback":
        outcome = rollback.roll_back(mirror, state, who=who, why=why, number=params["number"])
        approval.withdraw(mirror, sync_task.end)
    elif params["action"] == "hold":
        with mirror.locked():
            held = holds.put(mirror, holds.new(who, why))
        message = f"source {name} is {held}"
        outcome = sync.Outcome(source=name, result="unchanged", reason="OnHold", message=message)
    else:
        terms = sync_task.terms(environ)
        outcome = resumes.resume(source, state, Answers(stack.resolve), terms, who=who, why=why)
    log.info("%s: %s", outcome.reason, outcome.message)
    for line in outcome.changes:
        log.info("change: %s", line)
    return outcome
