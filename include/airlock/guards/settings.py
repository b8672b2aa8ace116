"""Settings of the guards: the table ``[guards]`` of the deployment's policy, which a repository can only tighten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from airlock.guards.span import Span
from airlock.validate import option
from airlock.validate.option import Option

_KEYS = {"cron", "hours", "timezone", "sources"}
_OF_DAGS = ("share", "at_least", "protected")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the guards go by. A revision has to meet a window of each group in ``windows``."""

    share: float = 0.3
    at_least: int = 3
    protected: tuple[str, ...] = ()
    windows: tuple[tuple[Span, ...], ...] = ()
    freezes: tuple[Span, ...] = ()


def of(deployment: Mapping[str, Any], revision: Mapping[str, Any], live: Mapping[str, Any]) -> Settings:
    """Return what holds: the deployment's settings, and where they are stricter those of the revision's repository.

    What live's repository asks for its DAGs holds too: no push takes its own guard away.
    """
    held = {one.name: deployment.get(one.name, one.default) for one in OPTIONS}
    for asked in (revision, {name: live[name] for name in _OF_DAGS if name in live}):
        for one in OPTIONS:
            if one.name in asked:
                held[one.name] = one.stricter(held[one.name], asked[one.name])
    return Settings(**held)


def _spans(value: Any) -> tuple[Span, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(table, dict) for table in value):
        raise ValueError("must be a list of tables with cron and hours")
    return tuple(_span(table) for table in value)


def _groups(value: Any) -> tuple[tuple[Span, ...], ...]:
    return (_spans(value),)


def _span(table: Mapping[str, Any]) -> Span:
    if unknown := sorted(table.keys() - _KEYS):
        raise ValueError(f"must have no key {unknown[0]}, only {', '.join(sorted(_KEYS))}")
    cron, timezone = table.get("cron"), table.get("timezone", "UTC")
    try:
        if not isinstance(cron, str) or len(cron.split()) != 5:
            raise ValueError(cron)  # noqa: TRY301
        croniter(cron, datetime(2026, 1, 1, tzinfo=UTC)).get_next()
    except (CroniterError, ValueError) as error:
        raise ValueError("must have a cron of five fields that comes to pass") from error
    try:
        ZoneInfo(timezone)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError("must have a timezone such as Europe/Berlin") from error
    try:
        hours = option.number(table.get("hours"))
        sources = option.names(table["sources"]) if "sources" in table else ()
    except ValueError as error:
        raise ValueError("must have hours above 0, and sources as a list of names if any") from error
    return Span(cron=cron, hours=hours, timezone=timezone, sources=sources)


OPTIONS: tuple[Option, ...] = (
    Option(name="share", default=Settings.share, read=option.share, stricter=min),
    Option(name="at_least", default=Settings.at_least, read=option.count, stricter=min),
    Option(name="protected", default=(), read=option.names, stricter=option.both),
    Option(name="windows", default=(), read=_groups, stricter=option.both),
    Option(name="freezes", default=(), read=_spans, stricter=option.both),
)
