"""The warm process: imports Airflow once, then forks a child for every DAG file that it is told to import.

Run as ``python -P -m airlock.validate.warm FD`` with the control socket as ``FD``. It never imports a DAG file
itself. Requests and answers are JSON lines, one request under way at a time; a request carries the file
descriptors of the child: result, output and (for imports) a socket on which Airflow asks for variables and connections.
When the control socket closes, everything that was forked is killed.

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
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, NoReturn

from airlock.validate import child

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Serve requests until the control socket closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    die_with_parent(control)
    adopt_orphans()
    limits = child.warm_up()
    gc.collect()
    gc.freeze()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    send(control, {"ready": limits})
    running: dict[int, int] = {}
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is control and not serve(control, running, close=(wake_read, wake_write)):
                stop(running)
            elif key.fileobj == wake_read:
                os.read(wake_read, 4096)
        reap(control, running)


def serve(control: socket.socket, running: dict[int, int], *, close: tuple[int, ...]) -> bool:
    """Carry out one request; return whether the control socket is still open."""
    message, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 3)
    if not message:
        return False
    request = json.loads(message)
    if "preimport" in request:
        for module in request["preimport"]:
            with suppress(BaseException):
                importlib.import_module(module)
        gc.collect()
        gc.freeze()
        send(control, {"done": True})
        return True
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        control.close()
        for descriptor in close:
            os.close(descriptor)
        child.run(request, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    with suppress(OSError):
        os.setpgid(pid, pid)
    running[pid] = request["id"]
    send(control, {"id": request["id"], "pid": pid})
    return True


def reap(control: socket.socket, running: dict[int, int]) -> None:
    """Tell of every child that has ended; orphans that were adopted are reaped in silence."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in running:
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # what it left behind in its group
            code = os.waitstatus_to_exitcode(status)
            cpu_s = usage.ru_utime + usage.ru_stime
            send(control, {"ended": running.pop(pid), "code": code, "cpu_s": cpu_s, "memory_kb": usage.ru_maxrss})


def stop(running: dict[int, int]) -> NoReturn:
    """Kill what runs and end."""
    for pid in running:
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    os._exit(0)


def send(control: socket.socket, message: dict[str, Any]) -> None:
    """Send one JSON line."""
    try:
        control.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
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
