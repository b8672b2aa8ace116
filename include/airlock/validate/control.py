"""The warm process's end of its control socket: JSON lines, with the descriptors of children beside the requests."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field
from typing import Any

ENDS = 3  # descriptors of a child: result, output, questions


@dataclass(kw_only=True)
class Control:
    """The control socket, with what has arrived on it and is not a whole request yet."""

    socket: socket.socket
    unread: bytearray = field(default_factory=bytearray)
    descriptors: list[int] = field(default_factory=list)

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the requests that have arrived whole, ``None`` when the other side is gone."""
        try:
            data, passed, _, _ = socket.recv_fds(self.socket, 1 << 16, ENDS * 64, socket.MSG_DONTWAIT)
        except BlockingIOError:  # nothing has arrived, whatever the selector was made to say
            return []
        self.descriptors += passed
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


def connect(where: str) -> Control:
    """Return the control socket: the inherited descriptor ``where``, or a connection to the socket at that path."""
    if where.isdigit():
        return Control(socket=socket.socket(fileno=int(where)))
    control = socket.socket(socket.AF_UNIX)
    control.connect(where)
    return Control(socket=control)
