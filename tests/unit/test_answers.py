from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from airlock.validate.answers import Answers, Asked


def ask(answers: Answers, **body: Any) -> tuple[list[Any], Asked | None]:
    reply = answers.to_frame(msgspec.msgpack.encode([7, body, None]))
    assert int.from_bytes(reply.frame[:4], "big") == len(reply.frame) - 4
    return msgspec.msgpack.decode(reply.frame[4:]), reply.asked


def test_an_answer_is_what_the_deployment_says_and_the_question_is_remembered() -> None:
    def resolve(body: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "VariableResult", "key": body["key"], "value": "eu"}

    answer, asked = ask(Answers(resolve), type="GetVariable", key="region")
    assert answer == [7, {"type": "VariableResult", "key": "region", "value": "eu"}, None]
    assert asked == Asked(kind="GetVariable", name="region", known=True)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"type": "GetVariable", "key": "region"}, "VARIABLE_NOT_FOUND"),
        ({"type": "GetConnection", "conn_id": "lake"}, "CONNECTION_NOT_FOUND"),
    ],
)
def test_without_a_deployment_nothing_is_invented(body: dict[str, str], error: str) -> None:
    answer, asked = ask(Answers(), **body)
    assert answer[1] is None
    assert answer[2]["error"] == error
    assert asked


def test_the_names_of_all_variables_are_none_on_a_laptop() -> None:
    answer, _ = ask(Answers(), type="GetVariableKeys", prefix="a")
    assert answer[1] == {"type": "VariableKeysResult", "keys": [], "total_entries": 0}


@pytest.mark.parametrize("kind", ["PutVariable", "DeleteVariable", "SetXCom", "TriggerDagRun"])
def test_writes_are_refused_and_remembered(kind: str) -> None:
    def never(body: Mapping[str, Any]) -> None:
        raise AssertionError(body)

    answer, asked = ask(Answers(never), type=kind, key="region")
    assert answer[2]["error"] == "PERMISSION_DENIED"
    assert asked == Asked(kind=kind, name="region", known=False)
    assert str(asked) == f"{kind} region (refused)"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"nonsense",
        b"\x91" * 20_000 + b"\x01",
        b"\x92\x01" + b"\x81\xa1x" + b"\x91" * 900 + b"\xc1",
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode([{}, 2]),
        msgspec.msgpack.encode([float("inf"), {"type": "GetVariable", "key": "a"}, None]),
        msgspec.msgpack.encode([1, {"type": ["GetVariable"], "key": "a"}, None]),
        msgspec.msgpack.encode([1, {"type": "GetVariable", "key": {"a": 1}}, None]),
    ],
    ids=range(10),
)
def test_what_is_no_request_is_told_from_one(frame: bytes) -> None:
    with pytest.raises(ValueError, match="not a request"):
        Answers().to_frame(frame)


def test_a_question_is_put_without_what_does_not_belong_there() -> None:
    seen: list[Any] = []
    answers = Answers(seen.append)
    ask(answers, type="GetVariable", key="a", dag_id="x")
    ask(answers, type="GetVariableKeys", prefix=None, limit="all", offset=3)
    assert seen == [
        {"type": "GetVariable", "key": "a"},
        {"type": "GetVariableKeys", "prefix": None, "offset": 3},
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "GetVariable", "key": ""},
        {"type": "GetConnection", "conn_id": None},
        {"type": "GetVariableKeys", "prefix": None, "limit": 10_001},
        {"type": "GetVariableKeys", "prefix": None, "limit": 0},
        {"type": "GetVariableKeys", "prefix": None, "offset": -1},
    ],
)
def test_what_airflows_api_refuses_is_refused_everywhere_and_nobody_is_asked(body: dict[str, Any]) -> None:
    def never(body: Mapping[str, Any]) -> None:
        raise AssertionError(body)

    answer, asked = ask(Answers(never), **body)
    assert answer[2]["error"] == "API_SERVER_ERROR"
    assert answer[2]["detail"]["status_code"] == 422
    assert asked
    assert not asked.known


def test_an_error_of_airflow_is_given_to_the_file_as_it_is() -> None:
    error = {"type": "ErrorResponse", "error": "API_SERVER_ERROR", "detail": {"status_code": 414}}
    answer, asked = ask(Answers(lambda _: error), type="GetVariable", key="a" * 10_000)
    assert answer == [7, None, error]
    assert asked
    assert not asked.known


def test_a_person_reads_what_was_asked_for_and_whether_it_is_known() -> None:
    _, asked = ask(Answers(), type="GetConnection", conn_id="lake")
    assert str(asked) == "connection lake (unknown)"
    assert str(Asked(kind="GetVariable", name="region")) == "variable region"
    assert str(Asked(kind="GetVariableKeys", name="")) == "all variables"
    assert str(Asked(kind="GetVariable", name="", known=False)) == "variable '' (unknown)"


def test_a_fingerprint_changes_with_the_answer_and_tells_it_to_nobody_without_the_key() -> None:
    value = "eu"
    asked = Asked(kind="GetVariable", name="region")

    def fingerprint(key: bytes) -> str:
        return Answers(lambda _: {"type": "VariableResult", "value": value}).fingerprint(asked, key=key)

    first = fingerprint(b"k")
    assert fingerprint(b"k") == first
    assert fingerprint(b"other") != first
    value = "us"
    assert fingerprint(b"k") != first
    assert Answers().fingerprint(asked, key=b"k") not in (first, "")
    assert Answers().fingerprint(Asked(kind="GetVariableKeys", name=""), key=b"k") == ""


def test_secrets_that_were_given_out_are_hidden_wherever_they_show() -> None:
    answers = Answers(lambda _: {"type": "ConnectionResult", "password": "s3cret", "extra": '{"token": "abc"}'})
    assert answers.redact("s3cret") == "s3cret"
    ask(answers, type="GetConnection", conn_id="lake")
    assert answers.redact('s3cret, {"token": "abc"}') == "***, ***"
    assert answers.redact("s3cret", "etl.py") == "***"


def test_values_that_a_file_hides_are_hidden_in_texts_about_that_file_only() -> None:
    answers = Answers(lambda _: {"type": "ConnectionResult", "password": "s3cret"})
    deep: Any = "hidden-too"
    for _ in range(400):
        deep = [deep]
    reply = answers.to_frame(msgspec.msgpack.encode([1, {"type": "MaskSecret", "value": {"deep": deep, "x": "abc"}}]))
    assert reply.masked == {"hidden-too"}
    answers.hide("etl.py", reply.masked)
    ask(answers, type="GetConnection", conn_id="lake")
    assert answers.redact("s3cret and hidden-too, not abc", "etl.py") == "*** and ***, not abc"
    assert answers.redact("s3cret and hidden-too", "other.py") == "*** and hidden-too"
    assert answers.redact("s3cret and hidden-too") == "*** and hidden-too"


def test_a_secret_within_a_longer_one_does_not_leave_its_rest() -> None:
    answers = Answers()
    answers.hide("etl.py", ["word"])
    answers.hide("etl.py", ["password"])
    assert answers.redact("the password", "etl.py") == "the ***"
