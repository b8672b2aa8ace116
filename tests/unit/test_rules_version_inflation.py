from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate.rules import version_inflation

_WARNING = """This Dag uses runtime-variable values in Dag construction.
It causes the Dag version to increase as values change on every Dag parse.

Line 7, Col 4
Code: start_date=datetime.now()
Issue: Using a runtime value

"""


def test_a_dag_that_stays_the_same_gives_nothing(tmp_path: Path) -> None:
    one = outcome(warnings=("DeprecationWarning: Line 3, Col 1",))
    assert list(version_inflation.find(observed(tmp_path, one))) == []


def test_a_warning_that_two_equal_imports_disprove_gives_nothing(tmp_path: Path) -> None:
    assert list(version_inflation.find(observed(tmp_path, outcome(varies=True, warnings=(_WARNING,))))) == []


def test_a_value_that_changes_once_a_day_is_told_though_two_imports_are_equal(tmp_path: Path) -> None:
    daily = _WARNING.replace("datetime.now()", "pendulum.today()")
    (finding,) = version_inflation.find(observed(tmp_path, outcome(varies=True, warnings=(daily,))))
    assert finding.line == 7


def test_what_differs_between_two_imports_is_named(tmp_path: Path) -> None:
    one = outcome(unstable={"etl": ("start_date", "task a, bash_command")}, warnings=(_WARNING,))
    (finding,) = version_inflation.find(observed(tmp_path, one))
    assert (finding.rule, finding.severity, finding.dag_id) == ("version-inflation", "warning", "etl")
    assert finding.message == (
        "two imports of etl differ: start_date; task a, bash_command; Airflow would store a new version at every parse"
    )


def test_what_airflow_warns_of_is_told_once_with_its_line(tmp_path: Path) -> None:
    (finding,) = version_inflation.find(observed(tmp_path, outcome(warnings=(_WARNING, _WARNING))))
    assert finding.place == "etl.py:7"
    assert finding.message.startswith("a value changes with time: start_date=datetime.now(); ")
