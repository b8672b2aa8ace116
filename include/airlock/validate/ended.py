"""What the parent hears of one child: its result, what it printed, what it asked for, and how it ended."""

from __future__ import annotations

import json
import math
import os
import selectors
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airlock.validate.answers import Answers, Asked

_RESULT_BYTES = 64 << 20
_REQUEST_BYTES = 1 << 20
_OUTPUT_BYTES = 4096
_ANSWER_TIMEOUT_S = 1.0  # for a file that asks, and does not read the answer


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
class Child:
    """A child under way, and the parent's ends of it.

    They are a pipe with the result, a pipe with what the file printed (its end is kept, the rest thrown away), and a
    socket on which the file asks Airflow for variables and connections.

    ``open`` are the ends that may still tell something. ``over`` says which limit the child went over, as far as it is
    seen here: who serves it has it killed then.
    """

    job: Mapping[str, Any]
    number: int
    result: int
    output: int
    asks: socket.socket
    timeout_s: float
    answers: Answers
    output_bytes: int
    selector: selectors.BaseSelector
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

    def listen(self) -> None:
        """Have the selector tell when one of the ends can be read."""
        self.asks.settimeout(_ANSWER_TIMEOUT_S)
        for end in (self.result, self.output, self.asks):
            self.selector.register(end, selectors.EVENT_READ, self)
            self.open.add(end)

    def receive(self, end: Any) -> None:
        """Take what can be read at one end, and answer the requests in it."""
        if end is self.asks:
            self._read_request()
        else:
            self._read_pipe(end)

    def drain(self) -> None:
        """Take what is there, and close all ends: the child has ended."""
        for end in list(self.open):
            if end is not self.asks:
                os.set_blocking(end, False)
                with suppress(BlockingIOError):
                    while end in self.open and self._read_pipe(end):
                        pass
            if end in self.open:
                self._close(end)

    def finish(self) -> Ended:
        """Return how the child ended, once ``ended`` is known and no end is open."""
        try:
            document = json.loads(self.document)
        except ValueError:
            document = None
        ended = self.ended or {}
        return Ended(
            job=self.job,
            document=document if isinstance(document, dict) else None,
            code=ended["code"],
            timed_out=self.timed_out,
            output=self.answers.redact(self.printed.decode("utf-8", "replace")),
            asked=tuple(self.asked),
            over=self.over or ended["over"],
            left=tuple(ended["left"]),
            tried=ended["tried"],
            duration_s=time.monotonic() - self.started,
            cpu_s=ended["cpu_s"],
            memory_kb=ended["memory_kb"],
        )

    def _read_pipe(self, end: int) -> bool:
        data = os.read(end, 1 << 16)
        if not data:
            self._close(end)
        elif end == self.result:
            if len(self.document) < _RESULT_BYTES:
                self.document += data
        else:
            self.printed = (self.printed + data)[-_OUTPUT_BYTES:]
            self.printed_bytes += len(data)
            if self.printed_bytes > self.output_bytes and not self.over:
                self.over = f"it printed more than {self.output_bytes >> 20} MB"
        return bool(data)

    def _read_request(self) -> None:
        try:
            data = self.asks.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._close(self.asks)
            return
        self.request += data
        while len(self.request) >= 4 and len(self.request) - 4 >= (length := int.from_bytes(self.request[:4], "big")):
            frame = bytes(self.request[4 : 4 + length])
            del self.request[: 4 + length]
            try:
                answer, asked = self.answers.to_frame(frame)
            except ValueError:  # not Airflow wrote it: nothing that follows can be understood
                self._close(self.asks)
                return
            if asked:
                self.asked.append(asked)
            with suppress(OSError):  # it does not read, or is gone
                self.asks.sendall(answer)
        if len(self.request) > _REQUEST_BYTES:
            self._close(self.asks)

    def _close(self, end: Any) -> None:
        self.selector.unregister(end)
        self.open.discard(end)
        if isinstance(end, int):
            os.close(end)
        else:
            end.close()
