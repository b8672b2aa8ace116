"""The questions of one child for variables and connections, and the answers on their way back to it.

Nobody waits for a child: while it does not read an answer, its next question is not looked at. One step answers one
question, so that a child with many keeps no other one waiting.
"""

from __future__ import annotations

import selectors
import socket
from dataclasses import dataclass, field

from airlock.validate.answers import Answers, Asked, request

_MOST, _MOST_MB = 10_000, 8
_LENGTH_BYTES = 4
_NO_QUESTION = "it wrote to Airflow what is no question"


@dataclass(kw_only=True)
class Questions:
    """The parent's end of a child's socket, with what was asked on it so far, each question once.

    ``masked`` are the values that the file wants hidden. ``over`` says which limit it went over.
    """

    socket: socket.socket
    answers: Answers
    asked: dict[Asked, None] = field(default_factory=dict)
    masked: set[str] = field(default_factory=set)
    over: str = ""
    _unread: bytearray = field(default_factory=bytearray)
    _unsent: bytearray = field(default_factory=bytearray)
    _count: int = 0
    _bytes: int = 0

    def __post_init__(self) -> None:
        """Let no step wait."""
        self.socket.settimeout(0)

    @property
    def event(self) -> int:
        """What the next step is for: more questions, or room for the answer to one that is here."""
        return selectors.EVENT_WRITE if self._unsent or self._has_one else selectors.EVENT_READ

    def go_on(self) -> bool:
        """Take one step; return whether there can be more of them."""
        try:
            if self.event == selectors.EVENT_READ:
                data = self.socket.recv(1 << 16)
                self._unread += data
                self._bytes += len(data)
                if not data:
                    return False
                self._check()
            if not self._unsent and self._has_one:
                self._answer()
            if self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            return True
        except OSError:  # it is gone
            return False
        except ValueError:  # not Airflow wrote that, and nothing that follows can be understood
            self.over = _NO_QUESTION
        if self._bytes > _MOST_MB << 20:
            self.over = f"it sent more than {_MOST_MB} MB of questions to Airflow"
        elif self._count > _MOST or len(self.masked) > _MOST:
            self.over = f"it sent more than {_MOST:,} questions to Airflow, or values to hide"
        return not self.over

    def end(self) -> None:
        """Look at what is left, of a child that has ended: nobody needs the answers."""
        try:
            while data := self.socket.recv(1 << 16):
                self._unread += data
        except OSError:
            pass
        try:
            self._check()
            while self._has_one:
                request(self._next())
        except ValueError:
            self.over = self.over or _NO_QUESTION

    def _check(self) -> None:
        if len(self._unread) >= _LENGTH_BYTES and self._length > _MOST_MB << 20:
            raise ValueError("not a request: it never ends")

    @property
    def _has_one(self) -> bool:
        return len(self._unread) >= _LENGTH_BYTES and len(self._unread) >= self._length

    @property
    def _length(self) -> int:
        return _LENGTH_BYTES + int.from_bytes(self._unread[:_LENGTH_BYTES], "big")

    def _next(self) -> bytes:
        frame = bytes(self._unread[_LENGTH_BYTES : self._length])
        del self._unread[: self._length]
        self._check()
        return frame

    def _answer(self) -> None:
        self._count += 1
        reply = self.answers.to_frame(self._next())
        self.masked |= reply.masked
        if reply.asked:
            self.asked.setdefault(reply.asked)
        self._unsent += reply.frame
