"""Hands events to Airflow's notifiers. Nothing that goes wrong here makes a sync fail or wait for long."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from airlock.errors import AirlockError
from airlock.mirror import Mirror
from airlock.notify import event as events, settings
from airlock.notify.event import Event
from airlock.notify.settings import Receiver

log = logging.getLogger(__name__)

_LIMIT_S = 30.0


def tell(
    mirror: Mirror, outcome: Mapping[str, Any], context: Mapping[str, Any], environ: Mapping[str, str]
) -> Event | None:
    """Tell everybody who is configured what the outcome of a sync changed, and return that.

    ``context`` is the task's own. A wrong setting or a notifier that fails is a warning in the log.
    """
    try:
        event = events.of(mirror, outcome)
        if event is None:
            return None
        receivers = settings.load(environ)
        events.remember(mirror, event)
    except AirlockError as error:
        log.warning("nobody was notified: %s", error)
        return None
    _deliver_all(event, receivers, context)
    return event


def send(event: Event, context: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Tell everybody who is configured of an event, whoever remembers that; else like ``tell``."""
    try:
        receivers = settings.load(environ)
    except AirlockError as error:
        log.warning("nobody was notified: %s", error)
        return
    _deliver_all(event, receivers, context)


def _deliver_all(event: Event, receivers: Iterable[Receiver], context: Mapping[str, Any]) -> None:
    for receiver in receivers:
        if event.kind in receiver.on:
            _deliver(receiver, event, context)


def _deliver(receiver: Receiver, event: Event, context: Mapping[str, Any]) -> None:
    def notify() -> None:
        try:
            module, _, name = receiver.notifier.rpartition(".")
            notifier = getattr(importlib.import_module(module), name)(**receiver.kwargs)
            notifier({**context, "airlock": event.to_json()})
        except Exception:  # whatever a provider raises: the sync is more important than its message
            log.warning("%s did not deliver %s", receiver.notifier, event.kind, exc_info=True)
        else:
            log.info("%s was told: %s", receiver.notifier, event.kind)

    thread = threading.Thread(target=notify, daemon=True)
    thread.start()
    thread.join(_LIMIT_S)
    if thread.is_alive():
        log.warning("%s did not deliver %s within %g s; it is left alone", receiver.notifier, event.kind, _LIMIT_S)
