"""One component as a child process of the supervisor: in a session of its own, stopped with all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from airlock.embedded import leftovers
from airlock.embedded.components import COMPONENT, Component
from airlock.embedded.supervision import Watched

STABLE_S = 60.0
_LONGEST_DELAY_S = 30.0
_PR_SET_PDEATHSIG = 1


class Child:
    """The process of one component. After an end it is due again in ``first_delay_s`` seconds, then in twice that."""

    def __init__(
        self, component: Component, *, environ: Mapping[str, str], cwd: Path, log: Path, first_delay_s: float
    ) -> None:
        self.component = component
        self._first_delay_s = first_delay_s
        self._environ = {**environ, COMPONENT: component.name}
        self._cwd = cwd
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._family: list[psutil.Process] = []
        self._started_s = 0.0
        self._due_s = 0.0
        self._failures = 0
        self._last_exit = ""

    @property
    def is_due(self) -> bool:
        """Whether it is down and its time to start has come."""
        return self._process is None and time.monotonic() >= self._due_s

    @property
    def watched(self) -> Watched:
        """What there is to say about it."""
        pid = self._process.pid if self._process else None
        return Watched(name=self.component.name, pid=pid, failures=self._failures, last_exit=self._last_exit)

    def start(self) -> None:
        """Start the process; its output goes to the end of its log.

        Raises ``OSError`` when the system does not let it; then it is due again later, as after an end.
        """
        try:
            with self._log.open("ab") as output:
                self._process = subprocess.Popen(
                    self.component.argv,
                    cwd=self._cwd,
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_end_with_parent(os.getpid()),  # noqa: PLW1509 - the supervisor has one thread
                )
        except OSError as error:
            self._postpone(f"not started: {error.strerror}")
            raise
        self._started_s = time.monotonic()

    def reap(self) -> str:
        """Return how the process ended if it did since the last call, else an empty string; it is due again later."""
        if self._process is None or self._process.poll() is None:
            return ""
        status = self._process.returncode
        self._process = None
        if time.monotonic() - self._started_s >= STABLE_S:
            self._failures = 0
        self._postpone(f"status {status}" if status >= 0 else signal.Signals(-status).name)
        return self._last_exit

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit status of a process that ends by itself, ``None`` when it has not ended in time."""
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def ask_to_end(self) -> None:
        """Send SIGTERM to the process, and note what it has started so far."""
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._family = leftovers.tree(psutil.Process(self._process.pid))
            self._process.terminate()

    def end(self, *, grace_s: float) -> None:
        """Wait ``grace_s`` seconds for the process to end, then kill what is left of it and of all that it started."""
        if self._process is None:
            return
        if grace_s:
            self.wait(grace_s)
        with contextlib.suppress(psutil.NoSuchProcess):
            self._family += leftovers.tree(psutil.Process(self._process.pid))
        leftovers.kill(self._family)
        self._process.wait()
        self._process, self._family = None, []

    def _postpone(self, last_exit: str) -> None:
        self._last_exit = last_exit
        self._failures += 1
        self._due_s = time.monotonic() + min(self._first_delay_s * 2.0 ** (self._failures - 1), _LONGEST_DELAY_S)


def _end_with_parent(parent: int) -> Callable[[], None]:
    """Return what a new child does first: ask the kernel (Linux) for SIGTERM when the supervisor dies.

    Elsewhere, and for the children of the child, the next ``up`` or ``down`` finds them by their marker.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def ask() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the call
                os._exit(1)

    return ask
