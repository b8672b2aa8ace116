from __future__ import annotations

import json
import selectors
import socket

import pytest

from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer, _Child


@pytest.mark.parametrize("already_read", [False, True])
def test_messages_that_arrive_together_are_all_heard(already_read: bool) -> None:
    """Otherwise the end of a child is never noticed, and the sync hangs for ever."""
    server = ForkServer(Answers())
    server._control, theirs = socket.socketpair()
    lines = b"".join(json.dumps({"ended": number, "code": 0}).encode() + b"\n" for number in (1, 2))
    if already_read:
        server._unread = bytearray(lines)
    else:
        theirs.sendall(lines)
    children = {number: child() for number in (1, 2)}
    with selectors.DefaultSelector() as selector:
        selector.register(server._control, selectors.EVENT_READ, None)
        server._serve(selector, children)
    assert [one.ended for one in children.values()] == [{"ended": 1, "code": 0}, {"ended": 2, "code": 0}]


def child() -> _Child:
    """A child whose ends are closed already."""
    asks, _ = socket.socketpair()
    return _Child(job={}, number=1, result=-1, output=-1, asks=asks, timeout_s=60)
