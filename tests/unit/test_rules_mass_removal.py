from __future__ import annotations

from pathlib import Path

import pytest
from tests.observed import observed, outcome
from tests.verdicts import dag, verdict

from airlock.validate.rules import mass_removal

LIVE = verdict("1", dags=tuple(dag(name) for name in "abcdef"))


def left(names: str) -> tuple[object, ...]:
    return tuple(outcome(f"{name}.py", dags=(dag(name),)) for name in names)


@pytest.mark.parametrize("names", ["abcdef", "abcdefg", "abcd"])
def test_a_few_removed_dags_give_nothing(tmp_path: Path, names: str) -> None:
    assert list(mass_removal.find(observed(tmp_path, *left(names), live=LIVE))) == []


def test_a_small_repository_may_lose_most_of_its_dags(tmp_path: Path) -> None:
    live = verdict("1", dags=(dag("a"), dag("b")))
    assert list(mass_removal.find(observed(tmp_path, live=live))) == []


def test_dags_of_files_that_failed_are_not_removed(tmp_path: Path) -> None:
    failed = [outcome(f"{name}.py", errors={f"{name}.py": "KeyError"}) for name in "abcdef"]
    assert list(mass_removal.find(observed(tmp_path, *failed, live=LIVE))) == []


def test_the_first_revision_removes_nothing(tmp_path: Path) -> None:
    assert list(mass_removal.find(observed(tmp_path))) == []


def test_half_of_the_dags_is_too_much(tmp_path: Path) -> None:
    (finding,) = mass_removal.find(observed(tmp_path, *left("abc"), live=LIVE))
    assert (finding.rule, finding.severity, finding.file) == ("mass-removal", "warning", None)
    assert finding.message == "3 of 6 live DAGs would be removed: d, e, f"


def test_share_and_number_are_settings(tmp_path: Path) -> None:
    options = {"mass-removal": {"share": 0.1, "at_least": 1}}
    assert len(list(mass_removal.find(observed(tmp_path, *left("abcde"), live=LIVE, options=options)))) == 1
