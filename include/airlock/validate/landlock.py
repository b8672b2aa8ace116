"""Landlock, as far as a child needs it: writes in one directory only, and no look into the files that hold secrets.

Rules of Landlock only allow. What is not to be read is therefore left out of a list of everything beside it: all
entries of the directories on the way to it. What appears there later cannot be read either, which concerns these
directories alone. A kernel without Landlock (before 5.13, or switched off) restricts nothing.

Source of the numbers: Linux, ``include/uapi/linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
# Every right that changes something on disk; later versions of the interface know more of them.
_WRITES = {1: 0x1FF2, 2: 0x3FF2, 3: 0x7FF2}
_WRITE_FILE, _TRUNCATE, _READ_FILE = 0x2, 0x4000, 0x4
_SCOPES = {6: 0x3}  # abstract Unix sockets and signals
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - semaphores of multiprocessing; the oversight removes what is left there

_libc = ctypes.CDLL(None, use_errno=True)


def write_only_below(scratch: str) -> None:
    """Refuse this process and its descendants to write outside ``scratch``, and signals to processes outside."""
    version = _version()
    if version < 1:
        return
    writes = _WRITES[min(version, max(_WRITES))]
    ruleset = _create(writes, _SCOPES[6] if version >= 6 else None)
    if ruleset is not None:
        _allow(ruleset, (scratch, _SHARED_MEMORY), writes)
        _allow(ruleset, _DEVICES, writes & (_WRITE_FILE | _TRUNCATE))
        restrict(ruleset)
        os.close(ruleset)


def all_but(secrets: Sequence[str]) -> int | None:
    """Return a set of rules to read everything but these files, for `restrict`; ``None`` where there is no Landlock."""
    if not secrets or _version() < 1 or (ruleset := _create(_READ_FILE, None)) is None:
        return None
    _allow(ruleset, _beside([Path(os.path.realpath(secret)) for secret in secrets]), _READ_FILE)
    return ruleset


def allow_reading(ruleset: int, folder: str) -> None:
    """Add a folder to a set of rules that is not in force yet."""
    _allow(ruleset, (folder,), _READ_FILE)


def restrict(ruleset: int) -> None:
    """Put a set of rules in force for this process, which may gain no privileges any more, and its descendants."""
    _libc.syscall(_RESTRICT, ruleset, 0)


def _beside(secrets: Sequence[Path]) -> Iterator[str]:
    on_the_way = {parent for secret in secrets for parent in secret.parents}
    for folder in on_the_way:
        with suppress(OSError):
            for entry in os.scandir(folder):
                if Path(entry.path) not in on_the_way and Path(entry.path) not in secrets and not entry.is_symlink():
                    yield entry.path


def _version() -> int:
    return int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION))


def _create(rights: int, scopes: int | None) -> int | None:
    rules = struct.pack("Q", rights) if scopes is None else struct.pack("QQQ", rights, 0, scopes)
    ruleset = int(_libc.syscall(_CREATE, rules, ctypes.c_size_t(len(rules)), 0))
    return ruleset if ruleset >= 0 else None


def _allow(ruleset: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        with suppress(OSError):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _libc.syscall(_ADD, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
            os.close(place)
