"""The file descriptors of this process: what a forked child has no use for, it must not have.

A copy of an epoll descriptor, say, is the same epoll: whoever has one can have its owner told of what never happened.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from contextlib import suppress


def opened() -> set[int]:
    """Return the descriptors that are open now."""
    return set(filter(_is_open, _listed()))


def close_all_but(kept: AbstractSet[int]) -> None:
    """Close every descriptor of this process that is not among those ``kept``."""
    for descriptor in _listed() - kept:
        with suppress(OSError):
            os.close(descriptor)


def _listed() -> set[int]:
    """Return the descriptors that may be open: on a machine that lists none, all numbers.

    The one with which the list was read is among them, and closed already.
    """
    try:
        return set(map(int, os.listdir("/dev/fd")))
    except OSError:
        return set(range(os.sysconf("SC_OPEN_MAX")))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
