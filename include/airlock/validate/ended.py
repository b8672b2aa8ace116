"""What the parent hears of one child: its result, what it printed, what it asked for, and how it ended."""

from __future__ import annotations

import json
import math
import os
import selectors
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airlock.errors import AirlockError
from airlock.validate.answers import Asked
from airlock.validate.questions import Questions

_RESULT_BYTES = 64 << 20
_OUTPUT_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a child ended. ``document`` is its result, ``None`` if it told none; ``code`` its exit status, negative a
    signal. Anybody may have written the result: it is an object of JSON, with finite numbers, and no more is known.

    ``output`` is the end of what it printed; ``asked`` names the variables and connections that it asked for, and
    ``masked`` the values that it wants hidden. ``over`` says which limit it went over, so that it was killed, ``left``
    names the processes that it left behind, and ``tried`` what the kernel told of it (``airlock.validate.oversight``).
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
    masked: frozenset[str]
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
    questions: Questions
    timeout_s: float
    output_bytes: int
    selector: selectors.BaseSelector
    started: float = math.inf
    deadline: float = math.inf
    document: bytearray = field(default_factory=bytearray)
    printed: bytearray = field(default_factory=bytearray)
    open: set[Any] = field(default_factory=set)
    ended: dict[str, Any] | None = None
    timed_out: bool = False
    kills: int = 0
    printed_bytes: int = 0
    over: str = ""

    def listen(self) -> None:
        """Have the selector tell when one of the ends can be read."""
        for end in (self.result, self.output, self.questions.socket):
            self.selector.register(end, selectors.EVENT_READ, self)
            self.open.add(end)

    def receive(self, end: Any) -> None:
        """Take what can be read at one end, or go on with the questions at it."""
        if end is self.questions.socket:
            self._go_on()
        else:
            self._read_pipe(end)

    def drain(self) -> None:
        """Take what is there, and close all ends: the child has ended."""
        for end in list(self.open):
            if end is self.questions.socket:
                self.questions.end()
                self.over = self.over or self.questions.over
            else:
                os.set_blocking(end, False)
                with suppress(BlockingIOError):
                    while end in self.open and self._read_pipe(end):
                        pass
            if end in self.open:
                self._close(end)

    def end_with_warm(self, names: str) -> None:
        """Take it for ended, late: the process that had to end it did not, and was ended with all that it imported.

        ``names`` are those files.
        """
        over = f"the process that imports DAG files had to be ended: it did not answer while it imported {names}"
        self.ended = {"code": -signal.SIGKILL, "over": over, "left": [], "tried": {}, "cpu_s": 0.0, "memory_kb": 0}
        self.timed_out = True

    def finish(self) -> Ended:
        """Return how the child ended, once ``ended`` is known and no end is open."""
        ended = self.ended or {}
        return Ended(
            job=self.job,
            document=_read(self.document),
            code=ended["code"],
            timed_out=self.timed_out,
            output=self.printed.decode("utf-8", "replace"),
            asked=tuple(self.questions.asked),
            masked=frozenset(self.questions.masked),
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

    def _go_on(self) -> None:
        before = self.questions.event
        try:
            goes_on = self.questions.go_on()
        except AirlockError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a file asks, it must not end the judgement of all others
            self.questions.over, goes_on = f"Airlock cannot answer it: {type(error).__name__}: {error}", False
        if not goes_on:
            self.over = self.over or self.questions.over
            self._close(self.questions.socket)
        elif self.questions.event != before:
            self.selector.modify(self.questions.socket, self.questions.event, self)

    def _close(self, end: Any) -> None:
        self.selector.unregister(end)
        self.open.discard(end)
        if isinstance(end, int):
            os.close(end)
        else:
            end.close()


def _read(document: bytes | bytearray) -> dict[str, Any] | None:
    try:
        read = json.loads(document, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number of JSON")
    return number
