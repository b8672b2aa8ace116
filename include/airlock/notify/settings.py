"""Whom to tell: the setting ``AIRLOCK_NOTIFIERS``, a JSON list of Airflow's notifiers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airlock.errors import ConfigError
from airlock.notify.event import KINDS

VARIABLE = "AIRLOCK_NOTIFIERS"
_KEYS = {"notifier", "kwargs", "on"}


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A notifier's class as a dotted path, its arguments (templates see ``airlock``), and the events it is told."""

    notifier: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    on: tuple[str, ...] = KINDS


def load(environ: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Return the receivers of a deployment; none when the variable is not set.

    Raises ``ConfigError`` with the path of the wrong setting.
    """
    try:
        entries = json.loads(environ.get(VARIABLE) or "[]")
    except ValueError as error:
        raise ConfigError(
            f"{VARIABLE}: not valid JSON: {error}", hint="it is a list of {notifier, kwargs, on}"
        ) from error
    if not isinstance(entries, list):
        raise ConfigError(f"{VARIABLE}: not a list", hint="it is a list of {notifier, kwargs, on}")
    return tuple(_receiver(entry, f"{VARIABLE}[{index}]") for index, entry in enumerate(entries))


def _receiver(entry: Any, path: str) -> Receiver:
    if not isinstance(entry, dict) or not entry.keys() <= _KEYS:
        raise ConfigError(f"{path}: not an object with the keys notifier, kwargs, on", hint="docs/notifications.md")
    notifier, kwargs, on = entry.get("notifier"), entry.get("kwargs", {}), entry.get("on", list(KINDS))
    if not isinstance(notifier, str) or "." not in notifier:
        raise ConfigError(
            f"{path}.notifier: {notifier!r} is not the dotted path of a class",
            hint="such as airflow.providers.smtp.notifications.smtp.SmtpNotifier",
        )
    if not isinstance(kwargs, dict):
        raise ConfigError(f"{path}.kwargs: not an object", hint="the arguments of the notifier by name")
    if not isinstance(on, list) or not set(on) <= set(KINDS):
        raise ConfigError(f"{path}.on: {on!r} has an unknown event", hint=f"known: {', '.join(KINDS)}")
    return Receiver(notifier=notifier, kwargs=kwargs, on=tuple(on))
