"""The clean-up of Airflow's database runs Airflow's own command on the deployment's database, from within a task."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airlock.errors import OperatorError
from airlock.housekeeping import metadata

# What Airflow sets in the process of a task.
FORBIDDEN = dict.fromkeys(
    ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"), "airflow-db-not-allowed:///"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AIRFLOW_HOME whose database has an old and a new row of the audit log."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "airflow.cfg").write_text(f"[database]\nsql_alchemy_conn = sqlite:///{home}/airflow.db\n")
    argv = [sys.executable, "-P", "-m", "airflow", "db", "migrate"]
    subprocess.run(argv, env={**os.environ, "AIRFLOW_HOME": str(home)}, check=True, capture_output=True, timeout=300)
    with sqlite3.connect(home / "airflow.db") as database:
        for when in ("2020-01-01 00:00:00", "2026-06-01 00:00:00"):
            database.execute("INSERT INTO log (dttm, event) VALUES (?, 'story')", (when,))
    return home


def rows(home: Path) -> list[str]:
    with sqlite3.connect(home / "airflow.db") as database:
        return [str(row[0])[:4] for row in database.execute("SELECT dttm FROM log WHERE event = 'story'")]


def clean(home: Path, *, days: int, dry_run: bool) -> str:
    environ = {**os.environ, **FORBIDDEN, "AIRFLOW_HOME": str(home)}
    return metadata.clean(environ, days=days, dry_run=dry_run, now=datetime(2026, 6, 2, tzinfo=UTC))


def test_it_is_off_until_days_are_set(home: Path) -> None:
    assert clean(home, days=0, dry_run=False).startswith("off")
    assert rows(home) == ["2020", "2026"]


def test_a_dry_run_tells_and_removes_nothing_then_old_rows_go_and_new_ones_stay(home: Path) -> None:
    assert "dry run" in clean(home, days=30, dry_run=True)
    assert rows(home) == ["2020", "2026"]
    clean(home, days=30, dry_run=False)
    assert rows(home) == ["2026"]


def test_where_the_database_is_out_of_reach_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[database]\nsql_alchemy_conn = airflow-db-not-allowed:///\n")
    with pytest.raises(OperatorError, match="airflow db clean failed") as raised:
        clean(tmp_path, days=30, dry_run=True)
    assert raised.value.reason == "DatabaseOutOfReach"
