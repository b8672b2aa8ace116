"""Removes sandboxes whose owner did not: a task that is killed leaves an ended container behind."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from airlock.sandbox import policy
from airlock.sandbox.engine import Engine, EngineError
from airlock.sandbox.settings import Settings

log = logging.getLogger("airlock.sandbox.reaper")

_PAUSE_S = 60.0
_LONGEST_S = 2 * 3600
_OVER = {"exited", "dead"}


async def run(engine: Engine, settings: Settings, *, pause_s: float = _PAUSE_S) -> None:
    """Sweep for ever."""
    seen: frozenset[str] = frozenset()
    while True:
        try:
            seen = await sweep(engine, settings, seen)
        except EngineError as error:
            log.warning("%s", error)
        await asyncio.sleep(pause_s)


async def sweep(engine: Engine, settings: Settings, seen: frozenset[str]) -> frozenset[str]:
    """Remove what had ended, or was never started, at the sweep before too (``seen``), and what runs for too long.

    Returns what to give to the next sweep. An owner has the time between two sweeps to fetch the result.
    """
    over = set()
    for container in await engine.list(policy.LABEL, settings.volume):
        if not _is_named_by_us(container):
            continue
        number, state, age_s = str(container["Id"]), container["State"], time.time() - int(container["Created"])
        if (state != "running" and number in seen) or age_s > _LONGEST_S:
            log.info("removing sandbox %s: %s, %d s old", number[:12], state, age_s)
            await engine.remove(number)
        elif state in _OVER or state == "created":
            over.add(number)
    return frozenset(over)


def _is_named_by_us(container: dict[str, Any]) -> bool:
    return any(str(name).startswith(f"/{policy.NAME_PREFIX}") for name in container.get("Names") or ())
