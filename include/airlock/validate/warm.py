"""The warm process: imports Airflow once, then forks a child for every DAG file that it is told to import.

Run as ``python -P -m airlock.validate.warm FD`` with the control socket as ``FD``, or with the path of a Unix stream
socket to connect to. It never imports a DAG file itself. Requests and answers are JSON lines. A request for a child
carries its file descriptors: result, output and a socket on which Airflow asks for variables and connections; ``kill``
ends a child. Each child gets a directory below ``TMPDIR`` that goes with it. When the control socket closes, everything
that was forked is killed.

Private Airflow API that it uses, held by a contract test: ``airflow.dag_processing.processor._parse_file``,
``airflow.sdk.execution_time.comms.CommsDecoder``, ``airflow.sdk.execution_time.supervisor.block_orm_access``.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airlock.validate import child, circumstances, heap

_PR_SET_PDEATHSIG = 1
_ENDS = 3  # descriptors of a child: result, output, questions
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, kw_only=True)
class Running:
    """A child under way."""

    id: int
    pid: int
    scratch: str


@dataclass(kw_only=True)
class Control:
    """The control socket, with what has arrived on it and is not a whole request yet."""

    socket: socket.socket
    unread: bytearray = field(default_factory=bytearray)
    descriptors: list[int] = field(default_factory=list)

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the requests that have arrived whole, ``None`` when the other side is gone."""
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 16, _ENDS * 64)
        self.descriptors += descriptors
        if not data:
            return None
        *lines, rest = (self.unread + data).split(b"\n")
        self.unread = bytearray(rest)
        return [json.loads(line) for line in lines]

    def send(self, message: dict[str, Any]) -> None:
        """Send one JSON line."""
        try:
            self.socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            os._exit(0)


class Children:
    """The children of this process: those under way, by process id, and the jobs that wait for their turn."""

    def __init__(self, control: Control, ready: child.Ready) -> None:
        self.control = control
        self.ready = ready
        self.running: dict[int, Running] = {}
        self.waiting: deque[tuple[dict[str, Any], list[int]]] = deque()
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def start(self) -> None:
        """Fork for the jobs whose turn it is."""
        while self.waiting and len(self.running) < self.waiting[0][0]["parallel"]:
            self._fork(*self.waiting.popleft())

    def _fork(self, job: dict[str, Any], descriptors: list[int]) -> None:
        scratch = tempfile.mkdtemp(prefix="child-")
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            self.control.socket.close()
            others = [descriptor for _, ends in self.waiting for descriptor in ends]
            for descriptor in (self.wake_read, self.wake_write, *self.control.descriptors, *others):
                os.close(descriptor)
            child.run({**job, "scratch": scratch}, descriptors, self.ready)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(OSError):
            os.setpgid(pid, pid)
        self.running[pid] = Running(id=job["id"], pid=pid, scratch=scratch)
        self.control.send({"started": job["id"]})

    def reap(self) -> None:
        """Tell of every child that has ended; orphans that were adopted are reaped in silence."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if one := self.running.pop(pid, None):
                with suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)  # what it left behind in its group
                shutil.rmtree(one.scratch, ignore_errors=True)
                self.control.send(
                    {
                        "ended": one.id,
                        "code": os.waitstatus_to_exitcode(status),
                        "cpu_s": usage.ru_utime + usage.ru_stime,
                        "memory_kb": usage.ru_maxrss,
                    }
                )

    def kill(self, number: int | None = None) -> None:
        """Kill the child of one job, or all, with their process groups."""
        for one in self.running.values():
            if number in (one.id, None):
                for end in (os.killpg, os.kill):
                    with suppress(OSError):
                        end(one.pid, signal.SIGKILL)


def main() -> None:
    """Serve requests until the control socket closes."""
    control = Control(socket=connect(sys.argv[1]))
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    die_with_parent(control.socket)
    adopt_orphans()
    children = Children(control, child.warm_up())
    heap.settle()
    control.send(
        {
            "ready": {
                "import_timeout_s": children.ready.import_timeout_s,
                "file_timeout_s": children.ready.file_timeout_s,
                "environ": circumstances.environ(),
                "circumstances": circumstances.common(),
            }
        }
    )
    selector = selectors.DefaultSelector()
    selector.register(control.socket, selectors.EVENT_READ)
    selector.register(children.wake_read, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj == children.wake_read:
                os.read(children.wake_read, 4096)
                continue
            requests = control.receive()
            if requests is None:
                children.kill()
                os._exit(0)
            for request in requests:
                serve(request, children)
        children.reap()
        children.start()


def connect(where: str) -> socket.socket:
    """Return the control socket: the inherited descriptor ``where``, or a connection to the socket at that path."""
    if where.isdigit():
        return socket.socket(fileno=int(where))
    control = socket.socket(socket.AF_UNIX)
    control.connect(where)
    return control


def serve(request: dict[str, Any], children: Children) -> None:
    """Carry out one request."""
    control = children.control
    if "preimport" in request:
        for module in request["preimport"]:
            with suppress(BaseException):
                importlib.import_module(module)
        heap.settle()
        control.send({"done": True})
    elif "kill" in request:
        children.kill(request["kill"])
    else:
        children.waiting.append((request, control.descriptors[:_ENDS]))
        del control.descriptors[:_ENDS]


def die_with_parent(control: socket.socket) -> None:
    """Have this process killed when its parent is (Linux): before it watches the control socket, it would live on."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with suppress(BlockingIOError):
        if not control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):  # it was killed before the line above
            os._exit(0)


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent ends (Linux), so that none of them escapes."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    main()
