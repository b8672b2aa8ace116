from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate.outcome import Lint
from airlock.validate.rules import deprecated_api

_MOVED = Lint(
    file="etl.py",
    line=4,
    code="AIR311",
    message="`airflow.DAG` is removed in Airflow 3.0; "
    "It still works in Airflow 3.0 but is expected to be removed in a future version.",
    advice="`DAG` has been moved to `airflow.sdk`",
)


def test_a_file_of_which_ruff_says_nothing_gives_nothing(tmp_path: Path) -> None:
    assert list(deprecated_api.find(observed(tmp_path, outcome()))) == []
    assert deprecated_api.why_unchecked(observed(tmp_path, outcome())) == ""


def test_the_replacement_is_the_hint(tmp_path: Path) -> None:
    (finding,) = deprecated_api.find(observed(tmp_path, outcome(lint=(_MOVED,))))
    assert (finding.rule, finding.severity, finding.place) == ("deprecated-api", "warning", "etl.py:4")
    assert finding.message == (
        "`airflow.DAG` is deprecated; it still works, and will be removed from a later Airflow (AIR311)"
    )
    assert finding.hint == "`DAG` has been moved to `airflow.sdk`"


def test_several_uses_in_a_file_and_a_module_of_many_files_are_told_once(tmp_path: Path) -> None:
    again = Lint(file="etl.py", line=9, code="AIR311", message=_MOVED.message)
    outcomes = outcome("etl.py", lint=(_MOVED, again)), outcome("other.py", lint=(_MOVED,))
    assert [one.line for one in deprecated_api.find(observed(tmp_path, *outcomes))] == [4]


def test_without_ruff_the_rule_says_that_it_was_not_applied(tmp_path: Path) -> None:
    assert deprecated_api.why_unchecked(observed(tmp_path, lint_failure="ruff was killed")) == "ruff was killed"
