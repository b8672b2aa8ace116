from __future__ import annotations

from typing import Any

import pytest

from airlock.validate import told

DAG = {
    "dag_id": "etl",
    "schedule": "@daily",
    "owner": "airflow",
    "tags": ["a"],
    "tasks": {"one": "BashOperator"},
    "edges": [],
    "pools": {},
    "retries": {"one": 2},
    "inlets": [],
    "outlets": [],
    "scheduled_by": [],
    "digest": "d",
}
RESULT: dict[str, Any] = {
    "dags": [DAG],
    "parts": {},
    "repeated": [],
    "imports": {"pandas": 1},
    "errors": {},
    "warnings": [],
    "duration_s": 0.5,
    "attempts": [],
    "sockets": 0,
    "threads": [],
    "opened": ["dags/etl.py", "dags/../sql/one.sql", "/dev/zero", "dags/../../secret.py", "a\0.py"],
    "touched": [["file", "dags/etl.py"], ["file", "\0"], ["file", "\udcff"]],
    "unclear": [],
}


def test_the_result_of_an_import_has_types_and_no_names_that_cannot_be() -> None:
    one = told.imported(RESULT, "dags/etl.py")
    assert one
    assert (one.dags[0].dag_id, one.dags[0].file, one.dags[0].tags) == ("etl", "dags/etl.py", ("a",))
    assert one.opened == ("dags/etl.py", "dags/../sql/one.sql")
    assert one.touched == (("file", "dags/etl.py"), ("file", "\udcff"))


@pytest.mark.parametrize(
    "forged",
    [
        {"duration_s": "x"},
        {"duration_s": None},
        {"dags": None},
        {"dags": [1]},
        {"dags": [{**DAG, "tags": "abc"}]},
        {"dags": [{**DAG, "retries": {"one": "2"}}]},
        {"dags": [{key: value for key, value in DAG.items() if key != "digest"}]},
        {"errors": ["a"]},
        {"warnings": "abc"},
        {"touched": [["file"]]},
        {"touched": [["file", "a", "b"]]},
        {"imports": {"a": "b"}},
        {"parts": {"etl": 1}},
        {"attempts": [{"kind": "write"}]},
    ],
    ids=str,
)
def test_a_result_that_another_hand_wrote_is_none(forged: dict[str, Any]) -> None:
    assert told.imported({**RESULT, **forged}, "dags/etl.py") is None


def test_no_result_is_none() -> None:
    assert told.imported(None, "etl.py") is None
    assert told.imported({}, "etl.py") is None
    assert told.failure(None) == told.failure({"failed": 3}) == ""
    assert told.failure({"failed": "RuntimeError: x"}) == "RuntimeError: x"


def test_the_middle_of_a_very_long_error_is_left_out() -> None:
    one = told.imported({**RESULT, "errors": {"etl.py": "first" + "x" * 1_000_000 + "last"}}, "etl.py")
    assert one
    text = one.errors["etl.py"]
    assert (len(text) < 70_000, text[:5], text[-4:]) == (True, "first", "last")


def test_of_very_many_warnings_the_first_ones_are_kept_each_once() -> None:
    warnings = [f"{number} {'x' * 1000}" for number in range(10_000)]
    one = told.imported({**RESULT, "warnings": [*warnings[:1], *warnings]}, "etl.py")
    assert one
    assert 50 < len(one.warnings) < 1000
    assert list(one.warnings) == warnings[: len(one.warnings)]
