"""The bodies of the sync DAG's tasks: a sync with the task's own context, and a log that tells what happened."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from airlock import confirm as confirms, mirror as mirrors, source as sources, stack, state as states, sync
from airlock.validate import limits, policy as policies
from airlock.validate.answers import Answers

log = logging.getLogger(__name__)


def run(name: str, context: Mapping[str, Any], environ: Mapping[str, str]) -> sync.Outcome:
    """Sync a source as the DAG run's parameters say.

    Raises ``AirlockError`` when something outside the revision is wrong.
    """
    source, state = sources.named(sources.load(environ), name), states.from_environment(environ)
    params = context["params"]
    request = sync.Request(
        ref=params["ref"] or "",  # the form sends null for an empty field
        force=params["force"],
        dry_run=params["dry_run"],
        who=who(context),
        why=params["reason"] or ("new revision upstream" if who(context) in ("poll", "webhook") else "manual sync"),
    )
    outcome = sync.run(source, state, request, Answers(stack.resolve), terms(environ))
    _tell(outcome, mirrors.of(state, source))
    return outcome


def terms(environ: Mapping[str, str]) -> sync.Terms:
    """Return what this deployment adds to every judgement.

    Raises ``ConfigError`` when one of its settings is wrong.
    """
    others = sources.other_bundles(environ)
    return sync.Terms(
        policy=lambda: policies.from_environment(environ),
        limits=limits.load(environ),
        unfinished=stack.unfinished_runs,
        bundle_of=partial(stack.bundle_of, among=others) if others else None,
    )


def confirm(document: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Confirm the release that a sync found or made live; nothing to do when there is none, or it is confirmed.

    Raises ``OperatorError`` when the release is worse in Airflow than its verdict promised.
    """
    source = sources.named(sources.load(environ), document["source"])
    state = states.from_environment(environ)
    mirror = mirrors.of(state, source)
    if document["release"] is None or confirms.is_confirmed(mirror, document["release"]):
        log.info("there is nothing to confirm: %s", document["message"])
        return None
    done = confirms.confirm(state.enquiry(source.name), mirror, document["release"], document["awaited"])
    if done is None:
        log.info("release %s was superseded before the DAG processor showed it", document["release"])
        return None
    if isinstance(done, confirms.Regression):
        raise confirms.worse(source.name, done)
    log.info("release %s is in Airflow, %.1f s after it was published", done.release, done.publish_to_live_s)
    return asdict(done)


def who(context: Mapping[str, Any]) -> str:
    """Return who asked for a run: an Airflow user, ``webhook`` for an event from the REST API, else ``poll``."""
    if user := getattr(context["dag_run"], "triggering_user_name", None):
        return str(user)
    events = [event for group in (context.get("triggering_asset_events") or {}).values() for event in group]
    return "webhook" if any((event.extra or {}).get("from_rest_api") for event in events) else "poll"


def _tell(outcome: sync.Outcome, mirror: mirrors.Mirror) -> None:
    level = logging.ERROR if outcome.result == "rejected" else logging.INFO
    log.log(level, "%s: %s", outcome.reason, outcome.message)
    verdict = mirror.read_verdict(outcome.revision) if outcome.revision else None
    for finding in verdict.findings if verdict else ():
        severity = logging.ERROR if finding.severity == "error" else logging.WARNING
        log.log(severity, "%s: %s [%s]", finding.place or outcome.source, finding.message, finding.rule)
        if finding.hint:
            log.log(severity, "    hint: %s", finding.hint)
    for one in verdict.suppressed if verdict else ():
        log.info("suppressed (%s): %s: %s [%s]", one.reason, one.finding.place, one.finding.message, one.finding.rule)
    for text in verdict.unchecked if verdict else ():
        log.info("%s", text)
    for line in outcome.changes:
        log.info("change: %s", line)
