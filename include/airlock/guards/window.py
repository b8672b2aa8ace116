"""Publish windows and freezes: when a revision may go live by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from airlock.guards.objection import Objection
from airlock.guards.settings import Settings


def check(settings: Settings, source: str, now: datetime) -> Iterator[Objection]:
    """Object while a freeze lasts, or while windows are set and none is open."""
    for freeze in settings.freezes:
        if freeze.concerns(source) and (until := freeze.open_until(now)):
            yield Objection(
                guard="window", message=f"there is a freeze until {_told(until)} ({freeze})", until=until.isoformat()
            )
    for group in settings.windows:
        windows = [window for window in group if window.concerns(source)]
        if windows and not any(window.open_until(now) for window in windows):
            opens = min(window.opens_after(now) for window in windows)
            told = " or ".join(map(str, windows))
            yield Objection(
                guard="window",
                message=f"the publish window is closed until {_told(opens)} ({told})",
                until=opens.isoformat(),
            )


def _told(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")
