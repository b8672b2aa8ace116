from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome
from tests.verdicts import dag, verdict

from airlock.validate.rules import moved_file

LIVE = verdict("1", dags=(dag("etl"), dag("quiet")))
MOVED = outcome("team/etl.py", dags=(dag("etl", file="team/etl.py"),))


def test_a_file_that_stayed_gives_nothing(tmp_path: Path) -> None:
    seen = observed(tmp_path, outcome("etl.py", dags=(dag("etl"),)), live=LIVE, unfinished={"etl": 3})
    assert list(moved_file.find(seen)) == []
    assert moved_file.why_unchecked(seen) == ""


def test_a_moved_file_without_unfinished_runs_gives_nothing(tmp_path: Path) -> None:
    assert list(moved_file.find(observed(tmp_path, MOVED, live=LIVE, unfinished={"etl": 0}))) == []


def test_unfinished_runs_are_counted(tmp_path: Path) -> None:
    (finding,) = moved_file.find(observed(tmp_path, MOVED, live=LIVE, unfinished={"etl": 2}))
    assert (finding.rule, finding.severity, finding.file, finding.dag_id) == (
        "moved-file",
        "error",
        "team/etl.py",
        "etl",
    )
    assert finding.message.startswith("etl moved here from etl.py, and has 2 unfinished runs")


def test_where_nobody_knows_the_runs_the_rule_says_so(tmp_path: Path) -> None:
    seen = observed(tmp_path, MOVED, live=LIVE)
    assert list(moved_file.find(seen)) == []
    assert moved_file.why_unchecked(seen) == "Airflow was not asked for unfinished runs"


def test_another_dag_folder_moves_files_too_as_airflow_sees_them(tmp_path: Path) -> None:
    seen = observed(
        tmp_path,
        outcome("dags/etl.py", dags=(dag("etl", file="dags/etl.py"),)),
        live=verdict("1", dags=(dag("etl", file="dags/etl.py"),)),
        unfinished={"etl": 1},
        folder=tmp_path / "dags",
    )
    (finding,) = moved_file.find(seen)
    assert finding.message.startswith("etl is in another DAG folder now, and has 1 unfinished run")


def test_a_file_that_moved_with_the_dag_folder_is_where_it_was(tmp_path: Path) -> None:
    moved = outcome("dags/etl.py", dags=(dag("etl", file="dags/etl.py"),))
    seen = observed(tmp_path, moved, live=LIVE, unfinished={"etl": 1}, folder=tmp_path / "dags")
    assert list(moved_file.find(seen)) == []
