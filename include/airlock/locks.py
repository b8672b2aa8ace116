"""Who may write to a mirror: at most one fetch, and beside it at most one other writer.

A fetch waits for the network, and what publishes or rolls back does not wait for it: the two move different refs. Who
needs both locks takes that of the fetch first. Locks end with their process.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airlock.errors import StateError, TransientError

_WAIT_S = 600
# Lock files of git, by who makes them: a fetch, everybody else, or both.
_FETCHER = ("shallow.lock", *(f"refs/{name}/**/*.lock" for name in ("remotes", "upstream-tags", "submodules")))
_WRITER = (
    "HEAD.lock",
    "config.lock",
    *(f"refs/{name}/**/*.lock" for name in ("heads", "tags", "notes", "airlock", "trees")),
)
_BOTH = ("packed-refs.lock", "packed-refs.new", "objects/info/*.lock")


@contextmanager
def fetching(mirror: Path, *, subject: str) -> Iterator[None]:
    """Keep every other fetch out for the time of the block.

    Raises ``TransientError`` when another process keeps the lock for ten minutes, ``StateError`` when the folder cannot
    be written.
    """
    with _opened(mirror.with_suffix(".fetch"), subject) as descriptor:
        _take(descriptor, f"{subject}: another process has been fetching")
        yield


@contextmanager
def writing(mirror: Path, *, subject: str) -> Iterator[None]:
    """Keep every other writer but a fetch out for the time of the block.

    Raises as ``fetching`` does.
    """
    with _opened(mirror.with_suffix(".lock"), subject) as descriptor:
        _take(descriptor, f"{subject}: another process has been writing to the mirror")
        yield


def remove_stale(mirror: Path, *, is_fetching: bool) -> None:
    """Remove the lock files that a killed git left. Call it as the one who writes; ``is_fetching``: and fetches.

    Where somebody else fetches, what a fetch locks too stays: git waits for a moment, or the next one removes it.
    """
    patterns = _WRITER
    with _opened(mirror.with_suffix(".fetch"), str(mirror)) as descriptor:
        if is_fetching or took(descriptor):
            patterns = (*_WRITER, *_FETCHER, *_BOTH)
        for pattern in patterns:
            for lock in mirror.glob(pattern):
                lock.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path, subject: str) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
    except OSError as error:
        raise StateError(
            f"{subject}: {error.filename} cannot be written: {error.strerror}",
            hint="the state directory must be writable for the user that runs tasks",
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, told: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not took(descriptor):
        if time.monotonic() > deadline:
            raise TransientError(f"{told} for {_WAIT_S} s", hint="look for a hanging sync", reason="MirrorBusy")
        time.sleep(0.05)


def took(descriptor: int) -> bool:
    """Take the lock of an open file, for this process alone, if nobody has it; tell whether it was taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
