"""A span of time that comes again and again: a cron expression that opens it, and for how many hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter


@dataclass(frozen=True, kw_only=True)
class Span:
    """It opens when the clock of ``timezone`` meets ``cron`` and lasts for ``hours``. No ``sources``: it is for all."""

    cron: str
    hours: float
    timezone: str = "UTC"
    sources: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.cron} {self.timezone}, {self.hours:g} h"

    def concerns(self, source: str) -> bool:
        """Tell whether the span is for a source."""
        return not self.sources or source in self.sources

    def open_until(self, now: datetime) -> datetime | None:
        """Return when the span ends that is open now, ``None`` when none is."""
        zone = ZoneInfo(self.timezone)
        clock = now.astimezone(zone).replace(tzinfo=None)
        opened = croniter(self.cron, clock + timedelta(microseconds=1)).get_prev(datetime).replace(tzinfo=zone)
        closes: datetime = (opened.astimezone(now.tzinfo) + timedelta(hours=self.hours)).astimezone(zone)
        return closes if now < closes else None

    def opens_after(self, now: datetime) -> datetime:
        """Return when the span opens next."""
        zone = ZoneInfo(self.timezone)
        opens: datetime = croniter(self.cron, now.astimezone(zone).replace(tzinfo=None)).get_next(datetime)
        return opens.replace(tzinfo=zone)
