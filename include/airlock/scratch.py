"""Scratch directories that vanish with their owner, also when the owner is killed."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airlock import folders
from airlock.errors import StateError

_SUFFIX = ".lock"


@contextmanager
def directory(parent: Path) -> Iterator[Path]:
    """Give a new directory below ``parent`` for the time of the block, and remove those whose owner is gone.

    The owner holds a lock on a file beside its directory, which ends with the owner; a process id would mean nothing to
    another container. The file goes last, so that what could not be removed now is removed by a later call. Raises
    ``StateError`` when the directory cannot be made.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        path, descriptor = _own(parent)
    except OSError as error:
        raise StateError(
            f"{parent} cannot be written: {error.strerror}", hint="free space, or check its permissions"
        ) from error
    try:
        yield path
    finally:
        _remove(path)
        os.close(descriptor)


def _own(parent: Path) -> tuple[Path, int]:
    while True:
        # The lock comes first: a directory without one would never be known to have lost its owner.
        descriptor, name = tempfile.mkstemp(suffix=_SUFFIX, dir=parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        lock = Path(name)
        if lock.exists():  # otherwise it was swept before it was held
            path = lock.with_suffix("")
            path.mkdir(mode=0o700)
            return path, descriptor
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    for lock in parent.glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(lock.with_suffix(""))
            finally:
                os.close(descriptor)


def _remove(path: Path) -> None:
    folders.remove(path)
    if not path.exists():
        path.with_suffix(_SUFFIX).unlink(missing_ok=True)
