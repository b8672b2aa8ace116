"""Answers the kernel's questions about the system calls of children: what programs and native code try is told, too.

The kernel asks the warm process before a child, or anything that it started, opens a network socket or changes
something on disk (``airlock.validate.seccomp``). The answer is no for everything outside the child's own directory;
Landlock holds even if memory is changed between the question and the call. Python code is refused earlier, with a place
(``airlock.validate.refused``), so that what arrives here is not its doing.

Source of the structures: ``seccomp_unotify(2)``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airlock.validate import refused, seccomp

_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_NOTICE, _ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_MAKING, _FOLDERS, _MOST_SHARED = ("open", "creat", "mknod", "link", "symlink", "rename"), ("mkdir", "mkdirat"), 10_000
_HERE, _LONGEST = 0xFFFFFF9C, 4096  # AT_FDCWD in 32 bits, PATH_MAX


@dataclass(kw_only=True)
class Oversight:
    """The questions about one child: ``listener`` is readable when there is one."""

    listener: int
    pid: int
    scratch: str
    has_network: bool
    _attempts: dict[tuple[str, str], refused.Attempt] = field(default_factory=dict)
    _own_sockets: int = 0
    _shared: set[str] = field(default_factory=set)

    def answer(self) -> bool:
        """Answer one question; one whose asker is gone is nobody's. Return whether there can be more of them.

        Once all that could ask have ended, the listener stays readable for ever, with nothing to read.
        """
        if not (events := _waiting(self.listener)) & select.POLLIN:
            return not events
        notice = bytearray(_NOTICE.size)
        with suppress(OSError):
            fcntl.ioctl(self.listener, _RECEIVE, notice)
            number, pid, _, call, _, _, *arguments = _NOTICE.unpack(notice)
            is_allowed = self._judge(pid, seccomp.names().get(call, ""), arguments)
            error, flags = (0, _CONTINUE) if is_allowed else (-errno.EACCES, 0)
            fcntl.ioctl(self.listener, _SEND, _ANSWER.pack(number, 0, error, flags))
        return True

    def clear(self) -> None:
        """Remove the shared memory and semaphores that the child made and left, once it has ended."""
        for name in self._shared:
            with suppress(OSError):  # mostly it has removed them itself
                Path(name).unlink()

    def told(self) -> dict[str, Any]:
        """Return what was tried, and how many network sockets the child itself asked for, be it from Python or not."""
        return {"attempts": [asdict(attempt) for attempt in self._attempts.values()], "sockets": self._own_sockets}

    def _judge(self, pid: int, call: str, arguments: list[int]) -> bool:
        is_own = Path(f"/proc/{self.pid}/task/{pid}").exists()
        if call == "socket":
            if is_own:
                self._own_sockets += 1
            else:
                self._note("network", refused.SOCKET, by=_name(pid), is_refused=not self.has_network)
            return self.has_network
        # A database opens for writing, is refused, and reads on: for a program of its own, that is no attempt for sure.
        is_sure = not is_own or not call.startswith("open") or bool(arguments[seccomp.FLAGS_OF[call]] & os.O_TRUNC)
        is_allowed = True
        for directory, path in seccomp.CHANGES.get(call, ()):
            name = _path(pid, None if directory is None else arguments[directory], arguments[path])
            if name and not (refused.is_own(name, self.scratch) and self._has_room_for(name, call)):
                self._note("write", name, by="" if is_own else _name(pid), is_sure=is_sure)
                is_allowed = False
        return is_allowed

    def _has_room_for(self, name: str, call: str) -> bool:
        """Remember shared memory that the child is about to make, as much as can be removed after it."""
        if not name.startswith(refused.SHARED_MEMORY) or name.startswith(self.scratch + os.sep):
            return True
        if call.startswith(_MAKING) and not os.path.lexists(name):
            self._shared.add(name)
        return len(self._shared) <= _MOST_SHARED and call not in _FOLDERS

    def _note(self, kind: str, what: str, **more: Any) -> None:
        if len(self._attempts) < refused.MOST:
            self._attempts.setdefault((kind, what), refused.Attempt(kind=kind, what=what, **more))


def _waiting(listener: int) -> int:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return next((events for _, events in poll.poll(0)), 0)


def _path(pid: int, directory: int | None, address: int) -> str:
    """Return the absolute path that a call names; empty if it names none, or its process is gone."""
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            name = os.fsdecode(_text(memory.fileno(), address))
        if not name or name.startswith(os.sep):
            return os.path.normpath(name) if name else ""
        number = _HERE if directory is None else directory & 0xFFFFFFFF
        start = os.readlink(f"/proc/{pid}/cwd" if number == _HERE else f"/proc/{pid}/fd/{number}")  # noqa: PTH115 - deep
    except (OSError, OverflowError):
        return ""
    return os.path.normpath(f"{start}{os.sep}{name}")


def _text(memory: int, address: int) -> bytes:
    text = b""
    while b"\0" not in text and len(text) < _LONGEST:
        # Up to the end of a page: the next one may not be there.
        text += os.pread(memory, _LONGEST - (address + len(text)) % _LONGEST, address + len(text))
    return text.partition(b"\0")[0]


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "a program"
