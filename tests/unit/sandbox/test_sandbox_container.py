"""Which connection on its socket a task takes for its sandbox, and what it says when none comes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airlock.errors import OperatorError
from airlock.sandbox.container import Container
from airlock.sandbox.shape import Sandbox


class Runs:
    """An operator whose container runs until it is told to end, as the engine would."""

    def __init__(self, *, error: Exception | None = None, told: tuple[str, ...] = ()) -> None:
        self.end = threading.Event()
        self.error = error
        self.told = told

    def run_container(self) -> tuple[int, list[str]]:
        if self.error:
            raise self.error
        self.end.wait(timeout=30)
        return 1, list(self.told)

    def on_kill(self) -> None:
        self.end.set()


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "control"))
        made.listen()
        yield made


def say(listening: socket.socket, data: bytes) -> socket.socket:
    """Connect and say something, as what runs in a sandbox could."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(listening.getsockname())
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    return client


def hello(document: Any) -> bytes:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return len(data).to_bytes(4, "big") + data


def test_strangers_are_turned_away_and_the_sandbox_is_taken(listening: socket.socket, sandbox: Sandbox) -> None:
    strangers = [
        say(listening, told)
        for told in (
            b"",
            b"\0\0",
            b"\xff\xff\xff\xff{}",
            hello(b"no json"),
            hello(b"[" * 100_000),
            hello([]),
            hello({}),
            hello({"key": "1" * 32}),
            hello({"key": "\N{GREEK SMALL LETTER ALPHA}"}),
            hello({"key": sandbox.key, "lockfile": "text"}),
        )
    ]
    own = say(listening, hello({"key": sandbox.key, "lockfile": {"constraints.txt": "a==1"}}) + b"rest")
    container = Container(sandbox=sandbox, operator=Runs())
    container.begin()
    assert container.greet(listening) == {"constraints.txt": b"a==1"}
    assert container.control.recv(100) == b"rest"
    container.stop()
    assert all(stranger.recv(1) == b"" for stranger in strangers)
    assert own.recv(1) == b""


def test_a_container_that_is_refused_is_told_with_the_reason(listening: socket.socket, sandbox: Sandbox) -> None:
    container = Container(sandbox=sandbox, operator=Runs(error=ValueError("refused by the sandbox proxy")))
    container.begin()
    with pytest.raises(OperatorError, match="could not be started: refused by the sandbox proxy") as raised:
        container.greet(listening)
    assert raised.value.reason == "SandboxFailed"


def test_a_container_that_ends_at_once_is_told_with_what_it_printed(listening: socket.socket, sandbox: Sandbox) -> None:
    operator = Runs(told=("dumb-init: python: not found",))
    operator.end.set()
    container = Container(sandbox=sandbox, operator=operator)
    container.begin()
    with pytest.raises(OperatorError, match="it ended with status 1: dumb-init: python: not found"):
        container.greet(listening)


def test_stopping_twice_is_stopping_once(sandbox: Sandbox) -> None:
    container = Container(sandbox=sandbox, operator=Runs(told=("end",)))
    container.begin()
    container.stop()
    container.stop()
    assert (container.status(), container.log_tail()) == (1, "end")
