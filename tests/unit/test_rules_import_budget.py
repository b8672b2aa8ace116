from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate.rules import import_budget


def test_a_quick_file_gives_nothing(tmp_path: Path) -> None:
    assert list(import_budget.find(observed(tmp_path, outcome(import_s=9.9, imports={"pandas": 9.0})))) == []


def test_a_file_that_did_not_come_to_its_end_has_other_findings(tmp_path: Path) -> None:
    outcomes = outcome("a.py", import_s=99, errors={"a.py": "E"}), outcome("b.py", import_s=99, how="timed-out")
    assert list(import_budget.find(observed(tmp_path, *outcomes))) == []


def test_the_slowest_imports_are_named(tmp_path: Path) -> None:
    imports = {"shared.model": 11.0, "t": 9.5, "pandas": 1.0, "yaml": 0.2, "json": 0.001}
    (finding,) = import_budget.find(observed(tmp_path, outcome(import_s=12.34, imports=imports)))
    assert (finding.rule, finding.severity, finding.file) == ("import-budget", "warning", "etl.py")
    assert finding.message == (
        "importing the file takes 12.3 s, more than 10 s; slowest imports: shared.model 11.0 s, t 9.5 s, pandas 1.0 s"
    )


def test_the_budget_is_a_setting(tmp_path: Path) -> None:
    options = {"import-budget": {"seconds": 2.0}}
    (finding,) = import_budget.find(observed(tmp_path, outcome(import_s=3), options=options))
    assert finding.message == "importing the file takes 3.0 s, more than 2 s"
