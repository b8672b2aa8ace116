"""How the warm process is started and ended: here, as a process of this machine; a container is another way.

Whoever starts it hands over one connected stream socket. Descriptors are passed over it, so both sides must run on one
kernel; process ids are not, because they may be those of another namespace. Paths in requests must mean the same on
both sides. The warm process writes below its ``TMPDIR`` only.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

from airlock.validate import environment

_TOLD_CHARS = 2000


class Warm(Protocol):
    """A warm process that was started; ``control`` is connected, and may be read before the process is ready."""

    @property
    def control(self) -> socket.socket:
        """The stream socket for requests and answers."""

    def log_tail(self) -> str:
        """Return the end of what the process printed."""

    def status(self) -> int | None:
        """Return the exit status once the process has ended, negative for a signal."""

    def stop(self) -> None:
        """Kill the process and everything that descends from it, and close ``control``; a second call does nothing."""


class Launch(Protocol):
    """A way to start the warm process."""

    def start(self, scratch: Path) -> Warm:
        """Start it and return when ``control`` is connected; it gets ready afterwards.

        ``scratch`` is a directory of this validation, removed after ``Warm.stop``.
        """


@dataclass(frozen=True, kw_only=True)
class LocalLaunch:
    """Starts the warm process as a child of this one, with this one's environment less its secrets."""

    def start(self, scratch: Path) -> Warm:
        """Start it with ``scratch`` as the directory for its log, its configuration and its children."""
        own = scratch / "warm"
        own.mkdir()
        ours, theirs = socket.socketpair()
        log = (scratch / "warm.log").open("w+b")
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "airlock.validate.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment.for_children(os.environ, scratch) | {"TMPDIR": str(own)},
                cwd=own,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return _LocalWarm(control=ours, process=process, log=log)


@dataclass(frozen=True, kw_only=True)
class _LocalWarm:
    control: socket.socket
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def log_tail(self) -> str:
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace").strip()[-_TOLD_CHARS:]

    def status(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout=5)
        return None

    def stop(self) -> None:
        if self.log.closed:
            return
        descendants: list[psutil.Process] = []
        with suppress(psutil.Error):
            warm = psutil.Process(self.process.pid)
            if warm.children():  # else it may be starting, and if this process is killed now it would stay suspended
                warm.suspend()  # so that it forks nothing while its children are counted
                descendants = warm.children(recursive=True)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.control.close()
        for process in descendants:
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()
        self.log.close()
