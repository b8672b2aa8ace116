"""What a child may do at most, by means of the kernel where it has them (Linux, x86-64 and ARM64).

Landlock: writes below its own directory only, no secrets, no signal to and no look into a process outside. Seccomp: no
socket other than a Unix one, no other way into other processes, and no process group of its own, so that all that it
starts can be killed at once. A kernel or container that lacks one of them leaves it out; audit hooks
(``airlock.validate.refused``) refuse the same to Python code everywhere.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Mapping
from contextlib import suppress

from airlock.validate import landlock, seccomp

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

_libc = ctypes.CDLL(None, use_errno=True)


def own_group() -> None:
    """Give this child a process group, and a grave with its parent."""
    with suppress(OSError):
        os.setpgid(0, 0)
    with suppress(AttributeError):
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit(limits: Mapping[str, int]) -> None:
    """Set resource limits by their names in the ``resource`` module."""
    for name, value in limits.items():
        with suppress(OSError, ValueError, AttributeError):
            resource.setrlimit(getattr(resource, name), (value, value))


def restrict(scratch: str, *, has_network: bool, reading: int | None = None, is_overseen: bool = False) -> int | None:
    """Take from this process what it may not do, for good and for all its descendants.

    ``reading`` are Landlock's rules for what it may read. Returns the descriptor on which the kernel asks about its
    system calls, for ``airlock.validate.oversight``; ``None`` without ``is_overseen`` or where the kernel cannot ask.
    """
    with suppress(AttributeError, OSError):
        if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            if reading is not None:
                landlock.restrict(reading)
            landlock.write_only_below(scratch)
            return seccomp.restrict(has_network=has_network, is_overseen=is_overseen)
    return None
