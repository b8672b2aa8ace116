from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate.rules import import_error

_TRACE = """Traceback (most recent call last):
  File "{root}/etl.py", line 3, in <module>
    from shared.tables import NAMES
  File "{root}/shared/tables.py", line 7, in <module>
    NAMES = rows["names"]
            ~~~~^^^^^^^^^
KeyError: 'names'
"""


def test_a_file_without_an_error_gives_nothing(tmp_path: Path) -> None:
    assert list(import_error.find(observed(tmp_path, outcome()))) == []


def test_the_line_in_the_dag_file_and_the_place_in_the_helper_are_named(tmp_path: Path) -> None:
    one = outcome(errors={"etl.py": _TRACE.format(root=tmp_path)})
    (finding,) = import_error.find(observed(tmp_path, one))
    assert (finding.rule, finding.severity, finding.place) == ("import-error", "error", "etl.py:3")
    assert finding.message == "KeyError: 'names' (in shared/tables.py:7)"
    assert finding.hint


def test_a_syntax_error_has_its_own_line_and_hint(tmp_path: Path) -> None:
    text = (
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/etl.py", line 2\n'
        "    def f(:\n"
        "          ^\n"
        "SyntaxError: invalid syntax\n"
    )
    (finding,) = import_error.find(observed(tmp_path, outcome(errors={"etl.py": text})))
    assert (finding.line, finding.message) == (2, "SyntaxError: invalid syntax")
    assert "py_compile" in finding.hint


def test_a_module_that_is_named_from_the_root_has_its_own_hint(tmp_path: Path) -> None:
    (tmp_path / "team" / "dags").mkdir(parents=True)
    text = "ModuleNotFoundError: No module named 'team'"
    one = outcome("team/dags/etl.py", errors={"etl.py": text})
    (finding,) = import_error.find(observed(tmp_path, one, folder=tmp_path / "team" / "dags"))
    assert finding.hint == "the import root is team/dags/: leave team.dags. out of the module's name"


def test_a_variable_that_is_not_there_has_its_own_hint(tmp_path: Path) -> None:
    text = "airflow.sdk.exceptions.AirflowRuntimeError: VARIABLE_NOT_FOUND: {'message': 'Variable region not found'}"
    (finding,) = import_error.find(observed(tmp_path, outcome(errors={"etl.py": text})))
    assert "default" in finding.hint


def test_errors_that_have_a_rule_of_their_own_are_left_to_it(tmp_path: Path) -> None:
    errors = {
        "a.py": "airflow.sdk.exceptions.AirflowTaskTimeout: DagBag import timeout for a.py after 30.0s.",
        "b.py": "airflow.serialization.exceptions.SerializationError: failed",
    }
    assert list(import_error.find(observed(tmp_path, outcome(errors=errors)))) == []
