from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from airlock.validate.answers import Answers, Asked
from airlock.validate.questions import Questions


def frame(**body: Any) -> bytes:
    data = msgspec.msgpack.encode([1, body, None])
    return len(data).to_bytes(4, "big") + data


def large(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "VariableResult", "key": body["key"], "value": "x" * (4 << 20)}


ASK = frame(type="GetVariable", key="a")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, theirs


@pytest.fixture
def file(ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    """The file's end."""
    return ends[1]


@pytest.fixture
def ours(ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    return ends[0]


def test_an_answer_that_is_not_read_keeps_nobody_waiting_and_no_further_question_is_looked_at(
    file: socket.socket, ours: socket.socket
) -> None:
    asked: list[Any] = []

    def resolve(body: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(body)
        return large(body)

    questions = Questions(socket=ours, answers=Answers(resolve))
    file.sendall(ASK * 300)
    for _ in range(300):
        assert questions.go_on()
    assert len(asked) == 1
    assert questions.event == selectors.EVENT_WRITE
    assert questions.asked == {Asked(kind="GetVariable", name="a"): None}


def test_a_large_answer_arrives_whole(file: socket.socket, ours: socket.socket) -> None:
    questions = Questions(socket=ours, answers=Answers(large))
    file.sendall(ASK)
    got = bytearray()
    while len(got) < 4 << 20 or questions.event == selectors.EVENT_WRITE:
        assert questions.go_on()
        got += file.recv(1 << 20)
    assert len(msgspec.msgpack.decode(bytes(got[4:]))[1]["value"]) == 4 << 20


@pytest.mark.parametrize(
    ("sent", "times", "over"),
    [
        (ASK, 10_001, "it sent more than 10,000 questions to Airflow, or values to hide"),
        (frame(type="MaskSecret", value=[f"{n:07}" for n in range(10_001)]), 1, "more than 10,000 questions"),
        (frame(type="GetVariable", key="a" * 1_000_000), 9, "it sent more than 8 MB of questions to Airflow"),
        (b"[" * 50_000, 1, "it wrote to Airflow what is no question"),
        (frame(type=7), 1, "it wrote to Airflow what is no question"),
    ],
    ids=["many", "hidden", "large", "endless", "nonsense"],
)
def test_a_file_may_not_ask_without_end(
    sent: bytes, times: int, over: str, file: socket.socket, ours: socket.socket
) -> None:
    questions = Questions(socket=ours, answers=Answers())
    file.setblocking(False)
    unsent = bytearray(sent * times)
    while not questions.over:
        questions.go_on()
        try:
            while unsent:
                del unsent[: file.send(unsent)]
        except BlockingIOError:
            pass
        try:
            while file.recv(1 << 20):
                pass
        except BlockingIOError:
            pass
    assert over in questions.over


@pytest.mark.parametrize(("rest", "over"), [(ASK, ""), (b"\0\0\0\1x", "it wrote to Airflow what is no question")])
def test_what_a_file_leaves_behind_is_looked_at_too(
    rest: bytes, over: str, file: socket.socket, ours: socket.socket
) -> None:
    questions = Questions(socket=ours, answers=Answers())
    file.sendall(rest)
    file.close()
    questions.end()
    assert questions.over == over


def test_the_end_of_a_file_is_the_end_of_its_questions(file: socket.socket, ours: socket.socket) -> None:
    questions = Questions(socket=ours, answers=Answers())
    file.close()
    assert not questions.go_on()
    assert questions.over == ""
