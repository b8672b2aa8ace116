"""The watcher of a source: a trigger that asks for a sync while upstream is ahead of what was judged.

It also asks when the environment or the policy is another one than that of the last judgement, as after an upgrade, and
when it is time to try a revision again: its publish window opens, or unfinished runs were in its way.

It compares two states (upstream's branch, and the last revision that a sync brought to its end) instead of remembering
events, so that a lost wake-up, a restart or a killed sync is made good by itself. While nothing changed it costs one
``git ls-remote`` per poll and creates no DAG run.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airlock import judgement, mirror as mirrors, source as sources, state as states, upstream
from airlock.errors import AirlockError
from airlock.mirror import Mirror
from airlock.validate import policy

_ASK_AGAIN_S = 60.0
_LONGEST_PAUSE_S = 120.0


class SourceWatcher(BaseEventTrigger):
    """Fires with ``{"source", "revision"}`` when what is followed has a revision that was not judged yet.

    The same revision is asked for again after a minute at the earliest. An upstream that does not answer is asked
    less and less often, at least every two minutes.
    """

    def __init__(self, name: str, kwargs: dict[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.name = name
        self.kwargs = kwargs
        self.source = sources.parse(name, kwargs, path=f"source {name}")
        self._since = datetime.now(UTC).isoformat()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return ("airlock.watcher.SourceWatcher", {"name": self.name, "kwargs": self.kwargs})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll upstream for ever."""
        mirror = mirrors.of(states.from_environment(os.environ), self.source)
        asked: tuple[str, float] = ("", 0.0)
        failures = 0
        is_other = await asyncio.to_thread(self._are_other_circumstances, mirror)
        looked: tuple[str | None, float] = ("", 0.0)
        opens: datetime | None = None
        while True:
            try:
                revision = await asyncio.to_thread(upstream.revision, self.source)
                judged = mirror.judged_revision()
                if judged != looked[0] or time.monotonic() - looked[1] > _ASK_AGAIN_S:
                    looked = (judged, time.monotonic())
                    opens = mirrors.time_of(await asyncio.to_thread(mirror.judged_under), "opens")
                if failures:
                    self.log.info("source %s: upstream answers again", self.name)
                failures = 0
            except AirlockError as error:
                failures += 1
                if failures == 1:
                    self.log.warning(
                        "source %s: %s; live stays as it is, and upstream is asked again", self.name, error
                    )
                revision = judged = None
            is_due = opens is not None and opens <= datetime.now(UTC)
            is_new = revision is not None and (revision != judged or is_other or is_due)
            if is_new and (revision != asked[0] or time.monotonic() - asked[1] > _ASK_AGAIN_S):
                asked = (str(revision), time.monotonic())
                yield TriggerEvent({"source": self.name, "revision": revision})
            elif is_new and is_other:
                is_other = await asyncio.to_thread(self._are_other_circumstances, mirror)
            pause_s = self.source.poll_interval_s * 2 ** min(failures, 10)
            await asyncio.sleep(min(pause_s, max(_LONGEST_PAUSE_S, self.source.poll_interval_s)))

    def _are_other_circumstances(self, mirror: Mirror) -> bool:
        """Tell whether the last judgement was made under others than those of this process, since it started."""
        under = mirror.judged_under()
        if not under or under.get("at", "") > self._since:
            return False  # also where workers differ from the triggerer: their word counts
        try:
            today = judgement.under(mirror, policy.from_environment(os.environ))
        except AirlockError:
            return False  # the next sync says what is wrong
        return any(under.get(name, "") != value for name, value in today.items())
