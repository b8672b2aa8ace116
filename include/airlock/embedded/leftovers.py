"""The processes of a deployment, found by the marker in their environment, also when their parent is gone."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

import psutil

from airlock.embedded.components import COMPONENT, MARKER
from airlock.embedded.layout import Layout
from airlock.errors import StateError

_CLOCK_TOLERANCE_S = 2.0  # the boot time, from which creation times are computed, moves with the clock
_SWEEPS = 20
_KILL_S = 10.0


def find(layout: Layout, *, component: str | None = None) -> list[psutil.Process]:
    """Return the processes of a deployment, or of one component of it, but never the caller or its parents."""
    own = psutil.Process()
    spared = {own.pid, *(parent.pid for parent in own.parents())}
    others = (process for process in psutil.process_iter() if process.pid not in spared)
    return [process for process in others if _belongs(process, layout, component)]


def tree(root: psutil.Process) -> list[psutil.Process]:
    """Return a process with all its descendants, and whatever is left of the session that it leads."""
    found = {root.pid: root}
    with contextlib.suppress(psutil.Error):
        found |= {child.pid: child for child in root.children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if process.pid not in found and os.getsid(process.pid) == root.pid:
                found[process.pid] = process
    return list(found.values())


def kill(processes: Iterable[psutil.Process]) -> int:
    """Kill processes, and return how many there were when they are gone."""
    living = [process for process in processes if _is_living(process)]
    for process in living:
        with contextlib.suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + _KILL_S
    while any(_is_living(process) for process in living) and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(living)


def sweep(layout: Layout, *, component: str | None = None) -> int:
    """Kill every process of a deployment (or of one component of it) and return how many there were.

    Repeats until none is found: a process may have forked just before it died. Raises ``StateError`` when one cannot be
    killed.
    """
    count = 0
    found: list[psutil.Process] = []
    for _ in range(_SWEEPS):
        found = find(layout, component=component)
        if not found:
            return count
        count += kill(found)
    stubborn = ", ".join(str(process.pid) for process in found)
    raise StateError(
        f"processes of the deployment in {layout.root} cannot be killed: {stubborn}",
        hint="a disk or network file system may hang; look with ps",
    )


def is_same(pid: int, create_time: float) -> bool:
    """Tell whether ``pid`` is still the process that was created at ``create_time``, and not a zombie."""
    try:
        process = psutil.Process(pid)
        return _is_living(process) and abs(process.create_time() - create_time) < _CLOCK_TOLERANCE_S
    except psutil.Error:
        return False


def _belongs(process: psutil.Process, layout: Layout, component: str | None) -> bool:
    try:
        environ = process.environ() if _is_living(process) else {}
    except (psutil.Error, OSError):  # another user's, or gone
        return False
    return environ.get(MARKER) == str(layout.root) and component in (None, environ.get(COMPONENT))


def _is_living(process: psutil.Process) -> bool:
    """Tell whether a process still does something; a zombie waits for its parent, which may take its time."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
