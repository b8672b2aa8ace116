from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from airlock.validate.answers import Answers, Asked


def ask(answers: Answers, **body: Any) -> tuple[list[Any], Asked | None]:
    frame, asked = answers.to_frame(msgspec.msgpack.encode([7, body]))
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    return msgspec.msgpack.decode(frame[4:]), asked


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
    "frame", [b"", b"\xc1", b"nonsense", msgspec.msgpack.encode([1]), msgspec.msgpack.encode([{}, 2])]
)
def test_what_is_no_request_is_told_from_one(frame: bytes) -> None:
    with pytest.raises(ValueError, match="not a request"):
        Answers().to_frame(frame)


def test_a_question_is_put_without_what_does_not_belong_there() -> None:
    seen: list[Any] = []
    answers = Answers(seen.append)
    ask(answers, type="GetVariable", key={"a": 1}, dag_id="x")
    ask(answers, type="GetConnection", conn_id=None)
    ask(answers, type="GetVariableKeys", prefix=None, limit="all", offset=3)
    assert seen == [
        {"type": "GetVariable", "key": "{'a': 1}"},
        {"type": "GetConnection", "conn_id": ""},
        {"type": "GetVariableKeys", "prefix": None, "offset": 3},
    ]


def test_a_person_reads_what_was_asked_for_and_whether_it_is_known() -> None:
    _, asked = ask(Answers(), type="GetConnection", conn_id="lake")
    assert str(asked) == "connection lake (unknown)"
    assert str(Asked(kind="GetVariable", name="region")) == "variable region"
    assert str(Asked(kind="GetVariableKeys", name="")) == "all variables"


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
    ask(answers, type="GetConnection", conn_id="lake")
    ask(answers, type="MaskSecret", value={"deep": ["hidden-too", 4]})
    assert answers.redact("s3cret and hidden-too, not 4") == "*** and ***, not 4"


def test_a_secret_within_a_longer_one_does_not_leave_its_rest() -> None:
    answers = Answers()
    for value in ("word", "password"):
        ask(answers, type="MaskSecret", value=value)
    assert answers.redact("the password") == "the ***"
