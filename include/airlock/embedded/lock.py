"""The lock of a deployment: held by ``up``, handed to the supervisor, and freed by the kernel however that one dies."""

from __future__ import annotations

import fcntl
import os
import time

from airlock.embedded.layout import Layout


def acquire(layout: Layout, *, wait_s: float = 0) -> int | None:
    """Return the descriptor that holds the lock, ``None`` when somebody else still holds it after ``wait_s`` seconds.

    A child process that is given the descriptor holds the lock too. Closing every copy frees it.
    """
    deadline = time.monotonic() + wait_s
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(0.05)
        else:
            return descriptor
