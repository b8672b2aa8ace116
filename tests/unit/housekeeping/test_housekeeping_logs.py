"""Old task logs go with their folders; new ones, and what is not a task log, stay."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from airlock.housekeeping import logs

OLD = "dag_id=etl/run_id=manual__1/task_id=load/attempt=1.log"
NEW = "dag_id=etl/run_id=manual__2/task_id=load/attempt=1.log"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, days in {OLD: 100, NEW: 1, "dag_processor/latest.log": 100, "notes.txt": 100}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 5000)
        then = time.time() - days * 86_400
        os.utime(path, (then, then))
    return tmp_path


def test_old_logs_go_and_their_empty_folders_too(folder: Path) -> None:
    removed = logs.remove_old(folder, days=90, dry_run=False)
    assert removed.names == (OLD,)
    assert removed.size >= 5000
    assert not (folder / "dag_id=etl/run_id=manual__1").exists()
    assert (folder / NEW).exists()


def test_what_is_no_task_log_stays(folder: Path) -> None:
    logs.remove_old(folder, days=1, dry_run=False)
    assert (folder / "notes.txt").exists()
    assert (folder / "dag_processor/latest.log").exists()


def test_a_dry_run_removes_nothing(folder: Path) -> None:
    assert logs.remove_old(folder, days=90, dry_run=True).names == (OLD,)
    assert (folder / OLD).exists()


def test_zero_days_keep_everything(folder: Path) -> None:
    assert logs.remove_old(folder, days=0, dry_run=False).names == ()
    assert (folder / OLD).exists()


def test_a_folder_that_is_not_there_has_no_logs(tmp_path: Path) -> None:
    assert logs.remove_old(tmp_path / "none", days=1, dry_run=False).names == ()
