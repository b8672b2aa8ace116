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
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from airlock.validate import child

_PR_SET_PDEATHSIG = 1
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
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 16, 3 * 64)
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


def main() -> None:
    """Serve requests until the control socket closes."""
    control = Control(socket=connect(sys.argv[1]))
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    die_with_parent(control.socket)
    adopt_orphans()
    limits = child.warm_up()
    gc.collect()
    gc.freeze()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    control.send({"ready": limits})
    running: dict[int, Running] = {}
    selector = selectors.DefaultSelector()
    selector.register(control.socket, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj == wake_read:
                os.read(wake_read, 4096)
                continue
            requests = control.receive()
            if requests is None:
                stop(running)
            for request in requests:
                serve(control, request, running, close=(wake_read, wake_write))
        reap(control, running)


def connect(where: str) -> socket.socket:
    """Return the control socket: the inherited descriptor ``where``, or a connection to the socket at that path."""
    if where.isdigit():
        return socket.socket(fileno=int(where))
    control = socket.socket(socket.AF_UNIX)
    control.connect(where)
    return control


def serve(control: Control, request: dict[str, Any], running: dict[int, Running], *, close: tuple[int, ...]) -> None:
    """Carry out one request."""
    if "preimport" in request:
        for module in request["preimport"]:
            with suppress(BaseException):
                importlib.import_module(module)
        gc.collect()
        gc.freeze()
        control.send({"done": True})
    elif "kill" in request:
        for one in running.values():
            if one.id == request["kill"]:
                kill(one.pid)
    else:
        fork(control, request, running, close=close)


def fork(control: Control, request: dict[str, Any], running: dict[int, Running], *, close: tuple[int, ...]) -> None:
    """Start a child for one job."""
    descriptors, control.descriptors = control.descriptors[:3], control.descriptors[3:]
    scratch = tempfile.mkdtemp(prefix="child-")
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        control.socket.close()
        for descriptor in (*close, *control.descriptors):
            os.close(descriptor)
        child.run({**request, "scratch": scratch}, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    with suppress(OSError):
        os.setpgid(pid, pid)
    running[pid] = Running(id=request["id"], pid=pid, scratch=scratch)
    control.send({"started": request["id"]})


def reap(control: Control, running: dict[int, Running]) -> None:
    """Tell of every child that has ended; orphans that were adopted are reaped in silence."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if one := running.pop(pid, None):
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # what it left behind in its group
            shutil.rmtree(one.scratch, ignore_errors=True)
            code = os.waitstatus_to_exitcode(status)
            cpu_s = usage.ru_utime + usage.ru_stime
            control.send({"ended": one.id, "code": code, "cpu_s": cpu_s, "memory_kb": usage.ru_maxrss})


def kill(pid: int) -> None:
    """Kill a child and its process group."""
    for end in (os.killpg, os.kill):
        with suppress(OSError):
            end(pid, signal.SIGKILL)


def stop(running: dict[int, Running]) -> NoReturn:
    """Kill what runs and end."""
    for pid in running:
        kill(pid)
    os._exit(0)


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
