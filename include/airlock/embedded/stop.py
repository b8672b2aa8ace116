"""Stops a deployment so that nothing of it is left, whatever state it is in."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import psutil

from airlock.embedded import leftovers, lock, supervision
from airlock.embedded.layout import Layout
from airlock.errors import OperatorError

_ORDERLY_S = 90.0
_KILLED_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """What was there to stop: ``was_running`` a supervised deployment, ``leftovers`` processes without a supervisor."""

    was_running: bool
    leftovers: int


def stop(layout: Layout) -> Stopped:
    """Stop the deployment and return when it is gone.

    The supervisor stops its components one by one; what has no supervisor, or does not stop, is killed.
    Raises ``OperatorError`` when another command is at work on this state directory.
    """
    if not layout.run.is_dir():
        return Stopped(was_running=False, leftovers=0)
    held = lock.acquire(layout)
    was_running = held is None
    if held is None:
        record = supervision.running(layout)
        if record is not None:
            with contextlib.suppress(psutil.Error):
                psutil.Process(record.pid).terminate()
        held = lock.acquire(layout, wait_s=_ORDERLY_S)
    if held is None:
        leftovers.kill(leftovers.find(layout, component="supervisor"))
        held = lock.acquire(layout, wait_s=_KILLED_S)
    if held is None:
        raise OperatorError(
            f"another airlock command holds {layout.lock}", hint="wait for it, or stop it", reason="StateBusy"
        )
    try:
        count = leftovers.sweep(layout)
        layout.supervision.unlink(missing_ok=True)
    finally:
        os.close(held)
    return Stopped(was_running=was_running, leftovers=count)
