"""Airflow's LocalExecutor, made to survive the death of one of its workers.

Its workers take work from one pipe, under a lock that an idle worker holds while it waits. When that worker is killed,
nobody gives the lock back: every other worker waits for ever, and no task starts until the scheduler is started again.
And a task whose worker died before it began stays queued for ever, because this executor cannot revoke a task.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from airflow.executors import local_executor


class LocalExecutor(local_executor.LocalExecutor):
    """Runs tasks on the scheduler's machine. ``patience_s`` is how long, in seconds, work may lie in the pipe after a
    worker was killed.

    Private API of Airflow, held by a test: ``activity_queue`` with its lock, ``workers``, ``_check_workers``.
    """

    patience_s = 10.0
    _has_lost_one = False
    _waits_since: float | None = None

    def sync(self) -> None:
        """Do what the executor does at each turn, and give back the lock of a worker that was killed."""
        super().sync()
        if self.activity_queue.empty():
            self._waits_since = None
        elif self._has_lost_one:
            now = time.monotonic()
            self._waits_since = self._waits_since or now
            # Whoever lives and has the lock would have taken the work at once.
            if now - self._waits_since > self.patience_s:
                self.log.warning("a worker was killed while it waited for work; its lock is given back")
                with suppress(ValueError):  # nobody had it
                    self.activity_queue._rlock.release()  # type: ignore[attr-defined] # noqa: SLF001
                self._waits_since = None

    def revoke_task(self, *, ti: Any) -> None:
        """Forget a task that has been queued for too long: the scheduler queues it anew."""
        self.running.discard(ti.key)
        self.queued_tasks.pop(ti.key, None)

    def _check_workers(self) -> None:
        if any(worker.exitcode for worker in self.workers.values()):
            self._has_lost_one = True
        super()._check_workers()  # type: ignore[no-untyped-call]
