from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome
from tests.verdicts import dag

from airlock.validate.rules import retries

TASKS = {"a": "BashOperator", "b": "@task", "start": "EmptyOperator"}


def limits(least: int, most: int | None) -> dict[str, dict[str, int | None]]:
    return {"retries": {"at_least": least, "at_most": most}}


def test_unless_it_is_asked_for_any_number_is_right(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", tasks=TASKS, retries={"a": 99}),))
    assert list(retries.find(observed(tmp_path, one))) == []


def test_tasks_within_the_limits_and_tasks_that_do_nothing_give_nothing(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", tasks=TASKS, retries={"a": 1, "b": 3}),))
    assert list(retries.find(observed(tmp_path, one, options=limits(1, 3)))) == []


def test_tasks_below_and_above_are_named(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", tasks=TASKS, retries={"b": 9}),))
    (finding,) = retries.find(observed(tmp_path, one, options=limits(1, 3)))
    assert (finding.rule, finding.severity, finding.dag_id) == ("retries", "error", "etl")
    assert finding.message == "etl: retries must be at least 1 and at most 3; a has 0, b has 9"
