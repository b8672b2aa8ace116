"""The kernel's questions about a child, asked by a real kernel."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from airlock.validate import containment
from airlock.validate.oversight import Oversight


@pytest.fixture
def overseen(tmp_path: Path) -> Iterator[Callable[[Callable[[], None]], tuple[int, Oversight]]]:
    """Return a function that starts a contained child, which does something once, and returns it with its oversight."""
    started = []

    def start(work: Callable[[], None]) -> tuple[int, Oversight]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                listener = containment.restrict(str(tmp_path), has_network=False, is_overseen=True)
                socket.send_fds(theirs, [b"." if listener is None else b"!"], [] if listener is None else [listener])
                if listener is not None:
                    os.close(listener)
                work()
            os._exit(0)
        told, listeners, _, _ = socket.recv_fds(ours, 1, 1)
        ours.close()
        theirs.close()
        started.append(pid)
        if told == b".":
            pytest.skip("this kernel cannot ask")
        return pid, Oversight(listener=listeners[0], pid=pid, scratch=str(tmp_path), has_network=False)

    yield start
    for pid in started:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def test_a_write_outside_is_refused_and_told(overseen: Callable[..., tuple[int, Oversight]], tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside"
    pid, oversight = overseen(outside.mkdir)
    while not oversight.told()["attempts"]:
        assert oversight.answer()
    os.waitpid(pid, 0)
    assert [attempt["what"] for attempt in oversight.told()["attempts"]] == [str(outside)]
    assert not outside.exists()


def test_no_more_questions_are_expected_of_a_child_that_has_ended(
    overseen: Callable[..., tuple[int, Oversight]],
) -> None:
    pid, oversight = overseen(lambda: None)
    os.waitpid(pid, 0)
    assert not oversight.answer()
