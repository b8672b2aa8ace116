"""The parent's side of the warm process: starts it in a scrubbed environment and runs children, several at once.

What one child tells is in ``airlock.validate.ended``.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
import selectors
import socket
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from airlock import folders
from airlock.errors import CommandTimeout, OperatorError, StateError
from airlock.validate import environment
from airlock.validate.answers import Answers
from airlock.validate.ended import Child, Ended
from airlock.validate.launch import Launch, LocalLaunch
from airlock.validate.limits import Limits
from airlock.validate.questions import Questions

log = logging.getLogger(__name__)

_START_TIMEOUT_S = 180.0
_KILL_GRACE_S = 5.0
_KILLS = 3  # of one child, after which the warm process itself is taken for stuck
_AHEAD = 2  # jobs that wait on the other side, so that a core never waits for this one


@dataclass(frozen=True, kw_only=True)
class Ready:
    """This Airflow's time limits, in seconds, a digest of each environment variable of the children, and one of all
    else that their imports depend on beside the tree and installed packages."""

    import_timeout_s: float
    file_timeout_s: float
    environ: Mapping[str, str]
    circumstances: str


class ForkServer:
    """A warm process with Airflow imported, as a context manager; leaving it leaves no process behind."""

    def __init__(
        self,
        answers: Answers,
        *,
        limits: Limits | None = None,
        scratch: Path | None = None,
        launch: Launch | None = None,
    ) -> None:
        self.answers = answers
        self.limits = limits or Limits()
        self._launch = launch or LocalLaunch()
        self._place = scratch
        self._scratch: Path | None = None
        self._ready: Ready | None = None
        self._unread = bytearray()
        self._preimported: list[str] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        """Start the warm process; it gets ready while the caller does something else.

        Raises ``StateError`` when there is no room or no right to write the little that it needs.
        """
        self._secrets = environment.secret_files(os.environ)
        try:
            self._scratch = Path(tempfile.mkdtemp(prefix="airlock-validate-", dir=self._place))
            self._warm = self._launch.start(self._scratch)
        except BaseException as error:
            self._clear()
            if not isinstance(error, OSError):
                raise
            raise self._no_room(error) from error
        self._control = self._warm.control
        return self

    def _no_room(self, error: OSError) -> StateError:
        return StateError(
            f"validation cannot start: {error.filename or self._scratch}: {error.strerror}",
            hint="free space in the state directory, or check its permissions",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the warm process and everything that descends from it."""
        self._warm.stop()
        self._clear()

    @property
    def scratch(self) -> Path:
        """A directory for the time of the validation."""
        if self._scratch is None:
            raise RuntimeError("the validation has not been started")
        return self._scratch

    def _clear(self) -> None:
        if self._scratch:
            folders.remove(self._scratch)

    def wait_until_ready(self) -> Ready:
        """Return what the warm process has to tell once it has imported Airflow.

        Raises ``OperatorError`` when Airflow cannot be imported, ``CommandTimeout`` after three minutes.
        """
        if self._ready is None:
            self._ready = Ready(**self._receive(time.monotonic() + _START_TIMEOUT_S)["ready"])
            self._started = time.monotonic()
        return self._ready

    def preimport(self, modules: Iterable[str]) -> None:
        """Import modules of installed packages once in the warm process, so that its children find them there."""
        self.wait_until_ready()
        self._preimported = sorted(modules)
        self._send({"preimport": self._preimported})
        self._receive(time.monotonic() + _START_TIMEOUT_S)

    def run(self, jobs: Iterable[Mapping[str, Any]]) -> Iterator[Ended]:
        """Run each job in a child of its own, several at once, and yield how each ended, in any order.

        Jobs that have not started when the validation has taken too long end as late too. A warm process that does not
        answer is replaced: the jobs that it was at end as late, too, and those that waited there start anew.
        """
        ready = self.wait_until_ready()
        timeout_s = self.limits.file_s or ready.file_timeout_s
        waiting = deque(jobs)
        children: dict[int, Child] = {}
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, None)
            while waiting or children:
                while waiting and self._is_late:
                    yield self._never_started(waiting.popleft())
                while waiting and len(children) < self.limits.width + _AHEAD:
                    number = next(self._numbers)
                    children[number] = self._start(number, waiting.popleft(), selector, timeout_s)
                self._serve(selector, children)
                self._kill_late(children)
                if children and self._is_silent and all(child.started == math.inf for child in children.values()):
                    raise _no_answer()
                if any(child.kills > _KILLS for child in children.values()):
                    waiting.extendleft(reversed(self._start_anew(selector, children)))
                for number in [number for number, child in children.items() if child.ended and not child.open]:
                    yield children.pop(number).finish()

    @property
    def _is_late(self) -> bool:
        return time.monotonic() - self._started > self.limits.total_s

    @property
    def _is_silent(self) -> bool:
        return time.monotonic() - self._heard > _START_TIMEOUT_S

    def _never_started(self, job: Mapping[str, Any]) -> Ended:
        detail = f"the import was not started: the validation has taken more than {self.limits.total_s} s"
        return Ended(
            job=job,
            document=None,
            code=0,
            over=detail,
            timed_out=True,
            output="",
            asked=(),
            masked=frozenset(),
            left=(),
            tried={},
            duration_s=0.0,
            cpu_s=0.0,
            memory_kb=0,
        )

    def _start(self, number: int, job: Mapping[str, Any], selector: selectors.BaseSelector, timeout_s: float) -> Child:
        result, result_theirs = os.pipe()
        output, output_theirs = os.pipe()
        asks, asks_theirs = socket.socketpair()
        request = {
            **job,
            "id": number,
            "parallel": self.limits.width,
            "processes": self.limits.processes,
            "memory_mb": self.limits.memory_mb,
            "has_network": self.limits.network == "allow",
            "secrets": self._secrets,
            "limits": {
                "RLIMIT_CPU": int(timeout_s) + 10,
                "RLIMIT_DATA": self.limits.memory_mb << 20,
                "RLIMIT_CORE": 0,
                "RLIMIT_FSIZE": 256 << 20,
            },
        }
        self._send(request, descriptors=[result_theirs, output_theirs, asks_theirs.fileno()])
        os.close(result_theirs)
        os.close(output_theirs)
        asks_theirs.close()
        child = Child(
            job=job,
            number=number,
            result=result,
            output=output,
            questions=Questions(socket=asks, answers=self.answers),
            timeout_s=timeout_s,
            output_bytes=self.limits.output_mb << 20,
            selector=selector,
        )
        child.listen()
        self._heard = time.monotonic()
        return child

    def _serve(self, selector: selectors.BaseSelector, children: dict[int, Child]) -> None:
        nearest = min((child.deadline for child in children.values()), default=math.inf)
        # A message that came together with another one is here already: the socket would never tell of it again.
        timeout_s = 0.0 if b"\n" in self._unread else max(0.0, min(nearest - time.monotonic(), 1.0))
        ready = selector.select(timeout=timeout_s)
        for key, _ in ready:
            child: Child | None = key.data
            if child is None:
                continue
            was_over = bool(child.over)
            child.receive(key.fileobj)
            if child.over and not was_over:
                self._send({"kill": child.number})
        if any(key.data is None for key, _ in ready):
            self._note_end(children)
        while b"\n" in self._unread:
            self._note_end(children)
        for child in children.values():
            if child.ended:  # a process that it left behind may still hold an end open: what is there now is all
                child.drain()

    def _note_end(self, children: dict[int, Child]) -> None:
        answer = self._receive(time.monotonic() + _START_TIMEOUT_S)
        if "started" in answer:
            child = children[answer["started"]]
            child.started = time.monotonic()
            child.deadline = child.started + child.timeout_s
        elif "ended" in answer:
            children[answer["ended"]].ended = answer

    def _kill_late(self, children: dict[int, Child]) -> None:
        now = time.monotonic()
        for number, child in children.items():
            if not child.ended and now >= child.deadline:
                child.timed_out, child.deadline, child.kills = True, now + _KILL_GRACE_S, child.kills + 1
                self._send({"kill": number})

    def _start_anew(self, selector: selectors.BaseSelector, children: dict[int, Child]) -> list[Mapping[str, Any]]:
        """Replace the warm process; its children under way have ended then. Return the jobs that it had not started."""
        log.warning("the process that imports DAG files does not answer, and is replaced")
        selector.unregister(self._control)
        self._warm.stop()
        unstarted = [number for number, child in children.items() if child.started == math.inf]
        under_way = [child for child in children.values() if child.started != math.inf and not child.ended]
        names = {Path(child.job["path"]).name for child in under_way if "path" in child.job}
        for child in under_way:
            child.end_with_warm(", ".join(sorted(names)))
        jobs = []
        for number in unstarted:
            children[number].drain()
            jobs.append(children.pop(number).job)
        for child in children.values():
            child.drain()
        place = Path(tempfile.mkdtemp(dir=self.scratch, prefix="again-"))
        try:
            self._warm = self._launch.start(place)
        except OSError as error:
            raise self._no_room(error) from error
        self._control, self._unread = self._warm.control, bytearray()
        self._receive(time.monotonic() + _START_TIMEOUT_S)
        if self._preimported:
            self.preimport(self._preimported)
        selector.register(self._control, selectors.EVENT_READ, None)
        return jobs

    def _send(self, request: Mapping[str, Any], *, descriptors: Sequence[int] = ()) -> None:
        line = json.dumps(request).encode() + b"\n"
        with suppress(OSError):  # it has ended: the answer that never comes tells why
            sent = socket.send_fds(self._control, [line], descriptors) if descriptors else 0
            self._control.sendall(line[sent:])

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._unread:
            self._control.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                data = self._control.recv(1 << 16)
            except TimeoutError:
                raise _no_answer() from None
            self._heard = time.monotonic()
            if not data:
                raise OperatorError(
                    f"the validation process ended with status {self._warm.status()}: {self._warm.log_tail()}",
                    hint="Airflow must be importable with this deployment's configuration",
                    reason="ValidatorFailed",
                )
            self._unread += data
        line, _, rest = self._unread.partition(b"\n")
        self._unread = bytearray(rest)
        message: dict[str, Any] = json.loads(line)
        return message


def _no_answer() -> CommandTimeout:
    return CommandTimeout("the validation process did not answer in time", hint="look at the load of the machine")
