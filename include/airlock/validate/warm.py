"""The warm process: imports Airflow once, then forks a child for every DAG file that it is told to import.

Run as ``python -P -m airlock.validate.warm FD`` with the control socket as ``FD``, or with the path of a Unix stream
socket to connect to. It never imports a DAG file itself. Requests and answers are JSON lines. A request for a child
carries its file descriptors: result, output and a socket on which Airflow asks for variables and connections; ``kill``
ends a child. Each child gets a directory below ``TMPDIR`` that goes with it. When the control socket closes, everything
that was forked is killed.

Private Airflow API that it uses, held by a contract test: ``airflow.dag_processing.processor._parse_file``,
``airflow.sdk.execution_time.comms.CommsDecoder`` and its ``_make_frame``,
``airflow.sdk.execution_time.supervisor.block_orm_access``.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airlock import folders
from airlock.validate import census, child, circumstances, control as controls, descriptors, heap, landlock, preimport
from airlock.validate.control import Control
from airlock.validate.oversight import Oversight

_PR_SET_PDEATHSIG = 1
_LOOK_S, _COUNT_S = 0.05, 0.2
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, kw_only=True)
class Running:
    """A child under way."""

    id: int
    pid: int
    scratch: str
    started: float
    threads_before: int
    processes: int
    memory_bytes: int
    has_network: bool


class Children:
    """The children of this process: those under way, by process id, and the jobs that wait for their turn.

    ``held`` are the descriptors of libraries: a child has them too, as the DAG processor's children do.
    """

    def __init__(self, control: Control, ready: child.Ready, held: set[int]) -> None:
        self.control = control
        self.ready = ready
        self.held = held
        self.selector = selectors.DefaultSelector()
        self.running: dict[int, Running] = {}
        self.over: dict[int, str] = {}
        self.overseen: dict[int, Oversight] = {}
        self.listeners, self.told_listeners = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.reading: int | None = None
        self.readable: set[str] = set()
        self.looked = time.monotonic()
        self.waiting: deque[tuple[dict[str, Any], list[int]]] = deque()
        self.wake_read, self.wake_write = os.pipe()
        for end in (self.wake_read, self.wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.listeners, selectors.EVENT_READ, self.oversee)
        self.selector.register(self.wake_read, selectors.EVENT_READ, self._wake)

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.wake_read, 4096)

    def start(self) -> None:
        """Fork for the jobs whose turn it is."""
        while self.waiting and len(self.running) < self.waiting[0][0]["parallel"]:
            self._fork(*self.waiting.popleft())

    def _fork(self, job: dict[str, Any], ends: list[int]) -> None:
        scratch = tempfile.mkdtemp(prefix="child-")
        reading = self._reading(job)
        threads_before = census.threads()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            kept = {*ends, self.told_listeners.fileno(), *self.held}
            descriptors.close_all_but(kept if reading is None else kept | {reading})
            child.run({**job, "scratch": scratch}, ends, self.ready, self.told_listeners, reading)
        for end in ends:
            os.close(end)
        with suppress(OSError):
            os.setpgid(pid, pid)
        self.running[pid] = Running(
            id=job["id"],
            pid=pid,
            scratch=scratch,
            started=time.monotonic(),
            threads_before=threads_before,
            processes=job["processes"],
            memory_bytes=job["memory_mb"] << 20,
            has_network=job["has_network"],
        )
        self.control.send({"started": job["id"]})

    def _reading(self, job: dict[str, Any]) -> int | None:
        if job["job"] != "import":
            return None
        if self.reading is None:
            self.reading = landlock.all_but(job["secrets"])
        if self.reading is not None and job["root"] not in self.readable:
            landlock.allow_reading(self.reading, job["root"])  # it may be younger than the rules
            self.readable.add(job["root"])
        return self.reading

    def oversee(self) -> None:
        """Take the descriptor on which the kernel asks about a child, from that child."""
        try:
            data, (listener, *_), _, _ = socket.recv_fds(self.listeners, 64, 1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        one = self.running.get(pid := int(data))
        if one is None or pid in self.overseen:
            os.close(listener)
            return
        oversight = Oversight(listener=listener, pid=pid, scratch=one.scratch, has_network=one.has_network)
        self.overseen[pid] = oversight
        self.selector.register(listener, selectors.EVENT_READ, lambda: self._answer(oversight))

    def _answer(self, oversight: Oversight) -> None:
        if not oversight.answer():
            self.selector.unregister(oversight.listener)

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
                left = self._bury(pid)
                folders.remove(Path(one.scratch))
                tried = self._close(pid)
                self.control.send(
                    {
                        "ended": one.id,
                        "code": os.waitstatus_to_exitcode(status),
                        "cpu_s": usage.ru_utime + usage.ru_stime,
                        "memory_kb": usage.ru_maxrss,
                        "left": left,
                        "over": self.over.pop(pid, ""),
                        "tried": tried,
                    }
                )

    def _close(self, pid: int) -> dict[str, Any]:
        oversight = self.overseen.pop(pid, None)
        if oversight is None:
            return {}
        with suppress(KeyError):  # nobody was left to ask
            self.selector.unregister(oversight.listener)
        os.close(oversight.listener)
        oversight.clear()
        return oversight.told()

    def _bury(self, group: int) -> list[str]:
        """Kill what a child left behind, and return the names of those processes."""
        # All that it started is in its group; outside of it only where the kernel has no seccomp.
        left: list[str] = []
        with suppress(OSError):
            os.killpg(group, 0)  # an error, nearly always: there is nobody left
            left = [process.name for process in census.processes() if process.group == group]
            os.killpg(group, signal.SIGKILL)
        while orphans := self._orphans():
            for pid in orphans:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        return left

    def _orphans(self) -> list[int]:
        """Return the children of this process that it did not start itself, and that belong to no child under way."""
        try:
            listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        except OSError:
            return []
        return [pid for pid in map(int, listed) if pid not in self.running and os.getpgid(pid) not in self.running]

    @property
    def wait_s(self) -> float | None:
        """How long nobody needs to look at what the children use."""
        return _LOOK_S if self.running else None

    def look(self) -> None:
        """Kill the children that use more than they may, with all that they have started.

        A machine that fills with processes has no time for a count of them: they are stopped first, as soon as the
        kernel's own number has grown.
        """
        now, threads = time.monotonic(), census.threads()
        is_crowded = any(threads - one.threads_before > one.processes for one in self.running.values())
        is_due = now - self.looked > _COUNT_S and any(now - one.started > _COUNT_S for one in self.running.values())
        if not is_crowded and not is_due:
            return
        if is_crowded:
            self._signal_all(signal.SIGSTOP)
        seen = list(census.processes())
        for one in list(self.running.values()):
            group = [process for process in seen if process.group == one.pid]
            if len(group) > one.processes:
                self.over[one.pid] = f"it started more than {one.processes} processes"
            elif census.memory_bytes(group, suspect_bytes=one.memory_bytes) > one.memory_bytes:
                self.over[one.pid] = f"it used more than {one.memory_bytes >> 20} MB of memory"
            else:
                continue
            self.kill(one.id)
        if is_crowded:
            self._signal_all(signal.SIGCONT)
        self.looked = time.monotonic()

    def _signal_all(self, number: int) -> None:
        for pid in self.running:
            with suppress(OSError):
                os.killpg(pid, number)

    def kill(self, number: int | None = None) -> None:
        """Kill the child of one job, or all, with their process groups."""
        for one in self.running.values():
            if number in (one.id, None):
                for end in (os.killpg, os.kill):
                    with suppress(OSError):
                        end(one.pid, signal.SIGKILL)


def main() -> None:
    """Serve requests until the control socket closes."""
    control = controls.connect(sys.argv[1])
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    die_with_parent(control.socket)
    adopt_orphans()
    ready = child.warm_up()
    children = Children(control, ready, held=descriptors.opened() - {control.socket.fileno()})
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
    children.selector.register(control.socket, selectors.EVENT_READ, lambda: receive(control, children))
    while True:
        for key, _ in children.selector.select(children.wait_s):
            key.data()
        children.reap()
        children.start()
        children.look()


def receive(control: Control, children: Children) -> None:
    """Carry out the requests that have arrived; end when the other side is gone."""
    requests = control.receive()
    if requests is None:
        children.kill()
        os._exit(0)
    for request in requests:
        serve(request, children)


def serve(request: dict[str, Any], children: Children) -> None:
    """Carry out one request."""
    control = children.control
    if "preimport" in request:
        before = descriptors.opened()
        with tempfile.TemporaryDirectory() as scratch:
            children.ready.spared.update(preimport.load(request["preimport"], scratch))
        children.held |= descriptors.opened() - before
        heap.settle()
        control.send({"done": True})
    elif "kill" in request:
        children.kill(request["kill"])
    else:
        children.waiting.append((request, control.descriptors[: controls.ENDS]))
        del control.descriptors[: controls.ENDS]


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
