"""Sees and refuses in the child what no DAG file may do while it is judged: the network, writes, others' secrets.

The kernel refuses the same where it can (``airlock.validate.containment``); here it is told with its place, and Python
code gets an error that says why. An audit hook cannot be taken away again.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

_abspath, _fspath, _sep, _frame, _getpid = os.path.abspath, os.fspath, os.sep, sys._getframe, os.getpid  # noqa: SLF001
MARK = "refused while a DAG file is validated"
HINT = "importing a DAG file must not need it: move it into a task"
SOCKET = "a socket"  # stands for a peer that nobody got to name
MOST = 20
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {  # audit events that change the disk, and how many of their arguments are paths
    "os.mkdir": 1,
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.symlink": 2,
    "os.link": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "os.setxattr": 1,
}
_NETWORKS = (socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_PACKET", None))
_SOCKET_MODULE = socket.__file__
_NAMES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_PEERS = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
_OF_A_PROCESS = re.compile(
    r"(?<![\w./-])/proc/(?P<pid>\d+)/(task/\d+/)?(environ|mem|maps|smaps|cmdline|fd|root|cwd|exe|stack)\b"
)
SHARED_MEMORY = "/dev/shm/"  # noqa: S108 - where the C library has semaphores too
_SAME = re.compile(r"/(\./|/)+")  # ways to write a slash
_HARMLESS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One thing that was tried: ``kind`` is ``network``, ``write`` or ``secret``; ``what`` names the target.

    ``by`` names the program that tried, if it was not Python code, which has ``file`` and ``line``: the place in the
    tree nearest to it. What is not ``is_sure`` may be a library that tries and goes on without.
    """

    kind: str
    what: str
    is_refused: bool = True
    is_sure: bool = True
    by: str = ""
    file: str = ""
    line: int = 0


def is_own(path: str, scratch: str) -> bool:
    """Return whether a child may write to a path: its own directory, in it, a device that keeps nothing, shared memory.

    Shared memory has no folders: what is left of it has to be removed without walking where others write too.
    """
    if path == scratch or path.startswith((scratch + _sep, *_HARMLESS)):
        return True
    return path.startswith(SHARED_MEMORY) and _sep not in path[len(SHARED_MEMORY) :]


class Refusals:
    """Refuses, and keeps what was tried, the first twenty attempts at different things.

    ``sockets`` counts the network sockets that Python code asked for; none of them is refused here.
    """

    def __init__(self, root: str, scratch: str, *, has_network: bool, secrets: tuple[str, ...]) -> None:
        self._attempts: dict[tuple[str, str], Attempt] = {}
        self._prefix = root + _sep
        self._scratch = scratch
        self._has_network = has_network
        self._secrets = secrets
        self.sockets = 0

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See one audit event. Raises ``PermissionError`` for what is refused."""
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING:
                self._write(path)
            elif isinstance(path, str | bytes):
                self._read(os.fsdecode(path))
        elif event in _CHANGES:
            for path in arguments[: _CHANGES[event]]:
                self._write(path)
        elif event in _STARTS:
            self._start(arguments)
        elif event in _NAMES:
            self._network(arguments[0], arguments[1] if event == "socket.getaddrinfo" else None)
        elif event == "socket.__new__" and arguments[1] in _NETWORKS:
            self._socket()
        elif event in _PEERS and isinstance(arguments[1], tuple):
            self._network(*arguments[1][:2])

    def told(self) -> list[dict[str, Any]]:
        """Return what was tried, for the judge."""
        return [asdict(attempt) for attempt in self._attempts.values()]

    def _socket(self) -> None:
        self.sockets += 1
        # Libraries open sockets to see what the machine can do; code of the repository that opens one will use it.
        caller: FrameType | None = _frame(2)
        if caller is not None and caller.f_code.co_filename == _SOCKET_MODULE:
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename.startswith(self._prefix):
            self._note("network", SOCKET, is_refused=not self._has_network, frame=caller)

    def _write(self, path: Any) -> None:
        if isinstance(path, int):
            return  # it was opened before
        try:
            name = os.fsdecode(_abspath(_fspath(path)))
        except (TypeError, ValueError):
            return
        if not is_own(name, self._scratch):
            self._refuse("write", name, is_refused=True)

    def _read(self, path: str) -> None:
        process = _OF_A_PROCESS.match(path)
        if (process and int(process["pid"]) != _getpid()) or path in self._secrets:
            self._refuse("secret", path, is_refused=True)

    def _start(self, arguments: tuple[Any, ...]) -> None:
        # A program that is told to read a secret: the kernel would refuse it, but tell nobody.
        words = _SAME.sub(_sep, " ".join(_words(arguments)))
        for process in _OF_A_PROCESS.finditer(words):
            self._read(process[0])
        for secret in self._secrets:
            if re.search(rf"(?<![\w./-]){re.escape(secret)}(?![\w.-])", words):
                self._read(secret)

    def _network(self, host: Any, port: Any) -> None:
        host = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if host is None or host == "":
            return  # names for a socket of one's own
        self._attempts.pop(("network", SOCKET), None)
        self._refuse("network", f"{host}:{port}" if port else str(host), is_refused=not self._has_network)

    def _refuse(self, kind: str, what: str, *, is_refused: bool) -> None:
        self._note(kind, what, is_refused=is_refused, frame=_frame(2))
        if is_refused:
            raise PermissionError(errno.EACCES, f"{kind} {MARK}", what)

    def _note(self, kind: str, what: str, *, is_refused: bool, frame: FrameType | None) -> None:
        if (kind, what) not in self._attempts and len(self._attempts) < MOST:
            file, line = self._place(frame)
            self._attempts[kind, what] = Attempt(kind=kind, what=what, is_refused=is_refused, file=file, line=line)

    def _place(self, frame: FrameType | None) -> tuple[str, int]:
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(self._prefix):
                return name[len(self._prefix) :], frame.f_lineno
            frame = frame.f_back
        return "", 0


def _words(arguments: Any) -> Iterator[str]:
    if isinstance(arguments, str | bytes | os.PathLike):
        yield os.fsdecode(arguments)
    elif isinstance(arguments, list | tuple):
        for argument in arguments:
            yield from _words(argument)


def watch(root: str, scratch: str, *, has_network: bool, secrets: tuple[str, ...] = ()) -> Refusals:
    """Refuse from now on."""
    refusals = Refusals(root, scratch, has_network=has_network, secrets=secrets)
    sys.addaudithook(refusals.hook)
    return refusals
