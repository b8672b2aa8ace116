"""The bodies of the sync DAG's tasks: a sync with the task's own context, and a log that tells what happened."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from airlock import (
    confirm as confirms,
    heal as heals,
    judgement,
    metrics,
    mirror as mirrors,
    sharing,
    source as sources,
    stack,
    state as states,
    sync,
)
from airlock.errors import AirlockError
from airlock.forge import delivery as forges, status as statuses
from airlock.notify import delivery
from airlock.sandbox import isolation
from airlock.text import one_line
from airlock.validate import limits, policy as policies
from airlock.validate.answers import Answers

log = logging.getLogger(__name__)


def run(name: str, context: Mapping[str, Any], environ: Mapping[str, str], *, shares: bool = False) -> sync.Outcome:
    """Sync a source as the DAG run's parameters say.

    Raises ``AirlockError`` when something outside the revision is wrong; with ``shares`` also ``sharing.Postponed``
    when there is so much to import that other tasks are to do it first. The call after that is one without.
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
    started, mirror = time.monotonic(), mirrors.of(state, source)
    if shares:
        sharing.clear(state, name)
    try:
        outcome = sync.run(source, state, request, Answers(stack.resolve), replace(terms(environ), shares=shares))
        sharing.clear(state, name)
    except AirlockError as error:
        metrics.synced(mirror, "error", None, time.monotonic() - started)
        fetched = mirror.upstream_revision()
        if fetched and fetched != mirror.judged_revision() and not request.ref and not request.dry_run:
            forges.tell(mirror, statuses.failed({"source": name, "revision": fetched}, error.reason, page(context)))
        raise
    _tell(outcome, mirror)
    verdict = mirror.read_verdict(outcome.revision) if outcome.revision else None
    metrics.synced(mirror, outcome.result, verdict, time.monotonic() - started)
    # The message about a release waits until Airflow has it.
    if outcome.result != "published" and not request.dry_run:
        delivery.tell(mirror, outcome.to_json(), context, environ)
    if not request.dry_run:
        forges.tell(mirror, statuses.judged(outcome.to_json(), page(context)))
    return outcome


def import_shard(name: str, shard: Mapping[str, Any], context: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Import a part of the files of a revision, and return what was done, for a person. What fails is told, no more:
    the sync imports what is missing.
    """
    source, state = sources.named(sources.load(environ), name), states.from_environment(environ)
    mirror, force = mirrors.of(state, source), context["params"]["force"]
    answers, folder, limit = Answers(stack.resolve), state.cache / "validate", limits.load(environ)
    try:
        with isolation.server(answers, folder, environ, limits=limit) as server:
            return judgement.of_shard(mirror, state, sharing.parse(shard), server, force=force)
    except AirlockError as error:
        log.exception("this shard is left to the sync")
        return f"nothing: {error.message}"


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
        ask=_ask,
        end=end,
    )


def _ask(source: str, run_id: str, shown: Mapping[str, Any], again: bool) -> None:  # noqa: FBT001
    stack.start_run(f"airlock_approval_{source}", run_id, shown, again=again)


def end(source: str, run_id: str) -> None:
    """Have the run that asks a superseded question begin anew: it sees that nobody need answer, and ends."""
    try:
        stack.start_run(f"airlock_approval_{source}", run_id, {}, again=True)
    except AirlockError as error:  # the question stays until its time-out; an answer publishes nothing
        log.warning("the superseded question could not be withdrawn: %s", error)


def confirm(
    document: Mapping[str, Any], context: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Any] | None:
    """Confirm the release that a sync found or made live; nothing to do when there is none, or it is confirmed.

    A release that is worse in Airflow than its verdict promised is rolled back. Raises ``OperatorError`` then.
    """
    source = sources.named(sources.load(environ), document["source"])
    state = states.from_environment(environ)
    mirror = mirrors.of(state, source)
    if document["release"] is None or confirms.is_confirmed(mirror, document["release"]):
        log.info("there is nothing to confirm: %s", document["message"])
        if document["release"] is not None:
            forges.tell(mirror, statuses.live(document, page(context)))
        return None
    try:
        done = confirms.confirm(state.enquiry(source.name), mirror, document["release"], document["awaited"])
    except AirlockError as error:
        forges.tell(mirror, statuses.failed(document, error.reason, page(context)))
        raise
    if done is None:
        log.info("release %s was superseded before the DAG processor showed it", document["release"])
        forges.tell(mirror, statuses.superseded(document, page(context)))
        return None
    if isinstance(done, confirms.Regression):
        healed = heals.heal(mirror, state, done)  # first: a forge may be slow
        forges.tell(mirror, statuses.withdrawn(document, page(context)))
        if healed:
            confirms.confirm(state.enquiry(source.name), mirror, healed.release or 0, healed.awaited)
            delivery.tell(mirror, healed.to_json(), context, environ)
        raise heals.error(source.name, done, healed)
    log.info("release %s is in Airflow, %.1f s after it was published", done.release, done.publish_to_live_s)
    metrics.confirmed(source.name, done, context["dag_run"].run_after if document["result"] == "published" else None)
    # Whoever published it did not come to tell it.
    told = {**document, "result": "published"} if document["result"] == "unchanged" else document
    delivery.tell(mirror, told, context, environ)
    forges.tell(mirror, statuses.live(document, page(context)))
    return asdict(done)


def who(context: Mapping[str, Any]) -> str:
    """Return who asked for a run: an Airflow user, ``webhook`` for an event from the REST API, else ``poll``."""
    if user := getattr(context["dag_run"], "triggering_user_name", None):
        return str(user)
    events = [event for group in (context.get("triggering_asset_events") or {}).values() for event in group]
    return "webhook" if any((event.extra or {}).get("from_rest_api") for event in events) else "poll"


def page(context: Mapping[str, Any]) -> str:
    """Return the address of the task in the UI, whose log has the findings."""
    return str(getattr(context["ti"], "log_url", ""))


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
        log.info(
            "suppressed (%s): %s: %s [%s]",
            one_line(one.reason),
            one.finding.place,
            one.finding.message,
            one.finding.rule,
        )
    for text in verdict.unchecked if verdict else ():
        log.info("%s", text)
    for line in outcome.changes:
        log.info("change: %s", line)
