"""The parent's side of the warm process: starts it in a scrubbed environment and runs children, several at once.

For each child the parent holds three ends: a pipe with the result, a pipe with what the file printed (its end is
kept, the rest thrown away), and a socket on which the file asks Airflow for variables and connections.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import selectors
import socket
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from airlock.errors import CommandTimeout, OperatorError, StateError
from airlock.validate import environment
from airlock.validate.answers import Answers, Asked
from airlock.validate.launch import Launch, LocalLaunch
from airlock.validate.limits import Limits

_START_TIMEOUT_S = 180.0
_KILL_GRACE_S = 5.0
_RESULT_BYTES = 64 << 20
_REQUEST_BYTES = 1 << 20
_OUTPUT_BYTES = 4096
_ANSWER_TIMEOUT_S = 1.0  # for a file that asks, and does not read the answer
_AHEAD = 2  # jobs that wait on the other side, so that a core never waits for this one


@dataclass(frozen=True, kw_only=True)
class Ready:
    """This Airflow's time limits, in seconds, a digest of each environment variable of the children, and one of all
    else that their imports depend on beside the tree and installed packages."""

    import_timeout_s: float
    file_timeout_s: float
    environ: Mapping[str, str]
    circumstances: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a child ended. ``document`` is its result, ``None`` if it told none; ``code`` its exit status, negative a
    signal.

    ``output`` is the end of what it printed; ``asked`` names the variables and connections that it asked for. ``over``
    says which limit it went over, so that it was killed, ``left`` names the processes that it left behind, and
    ``tried`` what the kernel told of it (``airlock.validate.oversight``).
    """

    job: Mapping[str, Any]
    document: dict[str, Any] | None
    code: int
    timed_out: bool
    over: str
    left: tuple[str, ...]
    tried: Mapping[str, Any]
    output: str
    asked: tuple[Asked, ...]
    duration_s: float
    cpu_s: float
    memory_kb: int


@dataclass(kw_only=True)
class _Child:
    job: Mapping[str, Any]
    number: int
    result: int
    output: int
    asks: socket.socket
    timeout_s: float
    started: float = math.inf
    deadline: float = math.inf
    document: bytearray = field(default_factory=bytearray)
    printed: bytearray = field(default_factory=bytearray)
    request: bytearray = field(default_factory=bytearray)
    asked: list[Asked] = field(default_factory=list)
    open: set[Any] = field(default_factory=set)
    ended: dict[str, Any] | None = None
    timed_out: bool = False
    printed_bytes: int = 0
    over: str = ""


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
        self._scratch = tempfile.TemporaryDirectory(prefix="airlock-validate-", dir=scratch, ignore_cleanup_errors=True)
        self._ready: Ready | None = None
        self._unread = bytearray()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        """Start the warm process; it gets ready while the caller does something else.

        Raises ``StateError`` when there is no room or no right to write the little that it needs.
        """
        self._secrets = environment.secret_files(os.environ)
        try:
            self._warm = self._launch.start(self.scratch)
        except OSError as error:
            self._scratch.cleanup()
            raise StateError(
                f"validation cannot start: {error.filename or self.scratch}: {error.strerror}",
                hint="free space in the state directory, or check its permissions",
            ) from error
        self._control = self._warm.control
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the warm process and everything that descends from it."""
        self._warm.stop()
        self._scratch.cleanup()

    @property
    def scratch(self) -> Path:
        """A directory for the time of the validation."""
        return Path(self._scratch.name)

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
        self._send({"preimport": sorted(modules)})
        self._receive(time.monotonic() + _START_TIMEOUT_S)

    def run(self, jobs: Iterable[Mapping[str, Any]]) -> Iterator[Ended]:
        """Run each job in a child of its own, several at once, and yield how each ended, in any order.

        Jobs that have not started when the validation has taken too long end as late too.
        """
        ready = self.wait_until_ready()
        timeout_s = self.limits.file_s or ready.file_timeout_s
        waiting = deque(jobs)
        children: dict[int, _Child] = {}
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
                for number in [number for number, child in children.items() if child.ended and not child.open]:
                    yield self._finish(children.pop(number))

    @property
    def _is_late(self) -> bool:
        return time.monotonic() - self._started > self.limits.total_s

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
            left=(),
            tried={},
            duration_s=0.0,
            cpu_s=0.0,
            memory_kb=0,
        )

    def _start(self, number: int, job: Mapping[str, Any], selector: selectors.BaseSelector, timeout_s: float) -> _Child:
        result, result_theirs = os.pipe()
        output, output_theirs = os.pipe()
        asks, asks_theirs = socket.socketpair()
        asks.settimeout(_ANSWER_TIMEOUT_S)
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
        child = _Child(job=job, number=number, result=result, output=output, asks=asks, timeout_s=timeout_s)
        for end in (result, output, asks):
            selector.register(end, selectors.EVENT_READ, child)
            child.open.add(end)
        return child

    def _serve(self, selector: selectors.BaseSelector, children: dict[int, _Child]) -> None:
        nearest = min((child.deadline for child in children.values()), default=math.inf)
        # A message that came together with another one is here already: the socket would never tell of it again.
        timeout_s = 0.0 if b"\n" in self._unread else max(0.0, min(nearest - time.monotonic(), 1.0))
        ready = selector.select(timeout=timeout_s)
        for key, _ in ready:
            child = key.data
            if child is None:
                continue
            if key.fileobj is child.asks:
                self._read_request(child, selector)
            else:
                self._read_pipe(child, key.fd, selector)
        if any(key.data is None for key, _ in ready):
            self._note_end(children)
        while b"\n" in self._unread:
            self._note_end(children)
        for child in children.values():
            if child.ended:  # a process that it left behind may still hold an end open: what is there now is all
                for end in list(child.open):
                    self._drain(child, end, selector)

    def _note_end(self, children: dict[int, _Child]) -> None:
        answer = self._receive(time.monotonic() + _START_TIMEOUT_S)
        if "started" in answer:
            child = children[answer["started"]]
            child.started = time.monotonic()
            child.deadline = child.started + child.timeout_s
        elif "ended" in answer:
            children[answer["ended"]].ended = answer

    def _read_pipe(self, child: _Child, end: int, selector: selectors.BaseSelector) -> bool:
        data = os.read(end, 1 << 16)
        if not data:
            self._close(child, end, selector)
        elif end == child.result:
            if len(child.document) < _RESULT_BYTES:
                child.document += data
        else:
            child.printed = (child.printed + data)[-_OUTPUT_BYTES:]
            child.printed_bytes += len(data)
            if child.printed_bytes > self.limits.output_mb << 20 and not child.over:
                child.over = f"it printed more than {self.limits.output_mb} MB"
                self._send({"kill": child.number})
        return bool(data)

    def _read_request(self, child: _Child, selector: selectors.BaseSelector) -> None:
        try:
            data = child.asks.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._close(child, child.asks, selector)
            return
        child.request += data
        while len(child.request) >= 4 and len(child.request) - 4 >= (
            length := int.from_bytes(child.request[:4], "big")
        ):
            frame = bytes(child.request[4 : 4 + length])
            del child.request[: 4 + length]
            try:
                answer, asked = self.answers.to_frame(frame)
            except ValueError:  # not Airflow wrote it: nothing that follows can be understood
                self._close(child, child.asks, selector)
                return
            if asked:
                child.asked.append(asked)
            with suppress(OSError):  # it does not read, or is gone
                child.asks.sendall(answer)
        if len(child.request) > _REQUEST_BYTES:
            self._close(child, child.asks, selector)

    def _drain(self, child: _Child, end: Any, selector: selectors.BaseSelector) -> None:
        if end is not child.asks:
            os.set_blocking(end, False)
            with suppress(BlockingIOError):
                while end in child.open and self._read_pipe(child, end, selector):
                    pass
        if end in child.open:
            self._close(child, end, selector)

    @staticmethod
    def _close(child: _Child, end: Any, selector: selectors.BaseSelector) -> None:
        selector.unregister(end)
        child.open.discard(end)
        if isinstance(end, int):
            os.close(end)
        else:
            end.close()

    def _kill_late(self, children: dict[int, _Child]) -> None:
        now = time.monotonic()
        for number, child in children.items():
            if not child.ended and now >= child.deadline:
                child.timed_out, child.deadline = True, now + _KILL_GRACE_S
                self._send({"kill": number})

    def _finish(self, child: _Child) -> Ended:
        try:
            document = json.loads(child.document)
        except ValueError:
            document = None
        ended = child.ended or {}
        return Ended(
            job=child.job,
            document=document if isinstance(document, dict) else None,
            code=ended["code"],
            timed_out=child.timed_out,
            output=self.answers.redact(child.printed.decode("utf-8", "replace")),
            asked=tuple(child.asked),
            over=child.over or ended["over"],
            left=tuple(ended["left"]),
            tried=ended["tried"],
            duration_s=time.monotonic() - child.started,
            cpu_s=ended["cpu_s"],
            memory_kb=ended["memory_kb"],
        )

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
                raise CommandTimeout(
                    "the validation process did not answer in time", hint="look at the load of the machine"
                ) from None
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
