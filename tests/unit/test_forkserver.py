from __future__ import annotations

import errno
import json
import selectors
import socket
from pathlib import Path

import pytest

from airlock.errors import StateError
from airlock.validate.answers import Answers
from airlock.validate.ended import Child
from airlock.validate.forkserver import ForkServer
from airlock.validate.launch import Warm
from airlock.validate.questions import Questions


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
    with selectors.DefaultSelector() as selector:
        children = {number: child(selector) for number in (1, 2)}
        selector.register(server._control, selectors.EVENT_READ, None)
        server._serve(selector, children)
    assert [one.ended for one in children.values()] == [{"ended": 1, "code": 0}, {"ended": 2, "code": 0}]


def child(selector: selectors.BaseSelector) -> Child:
    """A child whose ends are closed already."""
    asks, _ = socket.socketpair()
    return Child(
        job={},
        number=1,
        result=-1,
        output=-1,
        questions=Questions(socket=asks, answers=Answers()),
        timeout_s=60,
        output_bytes=1,
        selector=selector,
    )


class NoRoom:
    """A launch for which the disk is full."""

    def start(self, scratch: Path) -> Warm:
        raise OSError(errno.ENOSPC, "No space left on device", str(scratch / "airflow.cfg"))


def test_a_full_disk_is_said_to_be_one_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"airflow.cfg: No space left on device\nhint: free space"):
        ForkServer(Answers(), scratch=tmp_path, launch=NoRoom()).__enter__()
    assert list(tmp_path.iterdir()) == []
