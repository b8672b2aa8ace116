"""Guards: what may keep a revision that passed from going live by itself, one module for each."""

from __future__ import annotations

from datetime import datetime

from airlock.guards import empty, protected, removal, window
from airlock.guards.objection import Objection as Objection
from airlock.guards.settings import Settings as Settings
from airlock.verdict import Verdict


def check(
    verdict: Verdict, live: Verdict | None, settings: Settings, *, touched: frozenset[str], source: str, now: datetime
) -> tuple[Objection, ...]:
    """Return what the guards object to; nothing when the revision may go live.

    ``touched`` are the DAG files of which an input differs from what is live. Without a ``live`` verdict only the
    window can object.
    """
    found: list[Objection] = []
    if live is not None:
        found += removal.check(verdict, live, settings)
        found += empty.check(verdict, live)
        found += protected.check(verdict, live, settings, touched)
    return (*found, *window.check(settings, source, now))
