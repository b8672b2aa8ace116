"""The trigger that watches the installed environment: silent while the published lockfile describes it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airlock import state
from airlock.errors import AirlockError
from airlock.lockfile.watch import Watch

CHECK_S = 60.0


class EnvironmentTrigger(BaseEventTrigger):
    """Fires when what is installed is not what is published, at its start and then at one check a minute.

    It compares states and keeps none: an event that got lost is sent again. How soon, ``lockfile.watch`` says.
    """

    def __init__(self, check_s: float = CHECK_S) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.check_s = check_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return ("airlock.environment_trigger.EnvironmentTrigger", {"check_s": self.check_s})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event each time that the lockfile DAG has to look."""
        watch = Watch(repository=state.from_environment(os.environ).environment)
        while True:
            try:
                reason = await asyncio.to_thread(watch.look, time.monotonic())
            except AirlockError as error:
                self.log.warning("the published lockfile cannot be compared: %s", error)
                reason = None
            if reason is not None:
                yield TriggerEvent({"reason": reason})
            await asyncio.sleep(self.check_s)
