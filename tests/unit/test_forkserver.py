from __future__ import annotations

import errno
import json
import os
import selectors
import socket
import threading
from pathlib import Path

import pytest

from airlock.errors import CommandTimeout, StateError
from airlock.validate import forkserver
from airlock.validate.answers import Answers
from airlock.validate.ended import Child
from airlock.validate.forkserver import ForkServer
from airlock.validate.launch import Warm
from airlock.validate.limits import Limits
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


class Stuck:
    """A launch whose warm processes import every file, but get stuck for ever with ``stuck.py``, and never start
    ``never.py``."""

    def __init__(self) -> None:
        self.started: list[Path] = []
        self.stopped = 0

    def start(self, scratch: Path) -> Warm:
        self.started.append(scratch)
        control, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=[theirs], daemon=True).start()
        return StuckWarm(self, control)

    def _serve(self, control: socket.socket) -> None:
        def send(message: object) -> None:
            control.sendall(json.dumps(message).encode() + b"\n")

        ready = {"import_timeout_s": 1, "file_timeout_s": 1, "environ": {}, "circumstances": ""}
        send({"ready": ready})
        unread, is_stuck = b"", False
        while True:
            data, ends, _, _ = socket.recv_fds(control, 1 << 16, 64)
            for end in ends:
                os.close(end)
            if not data:
                return control.close()
            *lines, unread = (unread + data).split(b"\n")
            for request in map(json.loads, lines):
                if "kill" in request or is_stuck or request["path"] == "never.py":
                    continue
                send({"started": request["id"]})
                if is_stuck := request["path"] == "stuck.py":
                    continue
                ended = {"code": 0, "cpu_s": 0, "memory_kb": 0, "left": [], "over": "", "tried": {}}
                send({"ended": request["id"], **ended})


class StuckWarm:
    def __init__(self, launch: Stuck, control: socket.socket) -> None:
        self.launch = launch
        self.control = control

    def log_tail(self) -> str:
        return ""

    def status(self) -> int | None:
        return None

    def stop(self) -> None:
        self.launch.stopped += 1
        self.control.close()


def test_a_warm_process_that_does_not_answer_is_replaced_and_only_what_it_imported_suffers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Otherwise one file could keep the sync waiting for ever."""
    monkeypatch.setattr(forkserver, "_KILL_GRACE_S", 0.05)
    paths = ["a.py", "stuck.py", "b.py", "c.py", "stuck.py", "d.py"]
    launch = Stuck()
    with ForkServer(Answers(), limits=Limits(file_s=1, parallel=1), scratch=tmp_path, launch=launch) as server:
        ended = list(server.run({"path": path} for path in paths))
    assert sorted(one.job["path"] for one in ended) == sorted(paths)
    assert {(one.job["path"], one.timed_out) for one in ended} == {(path, path == "stuck.py") for path in paths}
    late = next(one for one in ended if one.timed_out)
    assert late.over == (
        "the process that imports DAG files had to be ended: it did not answer while it imported stuck.py"
    )
    assert len(set(launch.started)) == 3
    assert launch.stopped == 3
    assert list(tmp_path.iterdir()) == []


def test_a_warm_process_that_starts_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ForkServer(Answers(), limits=Limits(file_s=1), scratch=tmp_path, launch=Stuck()) as server:
        server.wait_until_ready()
        monkeypatch.setattr(forkserver, "_START_TIMEOUT_S", 0.1)
        with pytest.raises(CommandTimeout, match="did not answer in time"):
            list(server.run([{"path": "never.py"}]))
