"""The body of the watchdog DAG's task: a look at every source, what it changes told, and two numbers for each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airlock import metrics, mirror as mirrors, source as sources, state as states, watchdog
from airlock.errors import AirlockError
from airlock.mirror import Mirror
from airlock.notify import delivery
from airlock.state import State

log = logging.getLogger(__name__)


def run(context: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Look at every source, and return the kinds of trouble of each that has any, told or not yet.

    Raises ``ConfigError`` when a setting is wrong. A state that cannot be written is a warning, and the next look's.
    """
    longest, state = watchdog.limit(environ), states.from_environment(environ)
    found: dict[str, list[str]] = {}
    if not longest:
        log.info("%s is 0: nothing is watched", watchdog.VARIABLE)
        return found
    for source in sources.load(environ):
        try:
            kinds = _look(mirrors.of(state, source), state, longest, context, environ)
        except AirlockError as error:
            log.warning("source %s could not be looked at: %s", source.name, error)
            continue
        if kinds:
            found[source.name] = kinds
    return found


def _look(
    mirror: Mirror, state: State, longest: timedelta, context: Mapping[str, Any], environ: Mapping[str, str]
) -> list[str]:
    name, now = mirror.source.name, datetime.now(UTC)
    troubles = watchdog.look(mirror, state.enquiry(name), now)
    for kind, trouble in troubles.items():
        metrics.troubled(name, kind, is_so=trouble is not None)
        if trouble:
            log.warning("source %s, %s: %s: %s", name, kind, trouble.reason, trouble.text)
    if not troubles["not-picked-up"] and watchdog.ask_to_confirm(mirror, now):
        log.warning("source %s: nobody has confirmed what is live; the next sync does", name)
    events, record = watchdog.changes(mirror, troubles, now, longest)
    watchdog.remember(mirror, record)
    for event in events:
        log.warning("%s", event.text)
        delivery.send(event, context, environ)
    return [kind for kind, trouble in troubles.items() if trouble]
