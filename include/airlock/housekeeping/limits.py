"""How long things are kept, as the deployment's operator set it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airlock.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What stays: trees of the newest ``releases``, task logs of ``log_days`` and database rows of ``metadata_days``.

    Zero days mean for ever.
    """

    releases: int
    log_days: int
    metadata_days: int


@dataclass(frozen=True, kw_only=True)
class _Setting:
    variable: str
    default: int
    least: int


SETTINGS = {
    "releases": _Setting(variable="AIRLOCK_KEEP_RELEASES", default=10, least=10),
    "log_days": _Setting(variable="AIRLOCK_KEEP_LOG_DAYS", default=90, least=0),
    "metadata_days": _Setting(variable="AIRLOCK_KEEP_METADATA_DAYS", default=0, least=0),
}


def load(environ: Mapping[str, str]) -> Limits:
    """Return the limits that the environment sets.

    Raises ``ConfigError`` for a value that is no whole number, or too small.
    """
    return Limits(**{name: _number(setting, environ) for name, setting in SETTINGS.items()})


def _number(setting: _Setting, environ: Mapping[str, str]) -> int:
    text = environ.get(setting.variable) or str(setting.default)
    if not text.isdecimal() or int(text) < setting.least:
        raise ConfigError(
            f"{setting.variable}: {text!r} is not a whole number of at least {setting.least}",
            hint=f"leave it out for {setting.default}",
        )
    return int(text)
