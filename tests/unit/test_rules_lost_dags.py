from __future__ import annotations

from pathlib import Path

import pytest
from tests.observed import observed, outcome
from tests.verdicts import dag, verdict

from airlock.validate.outcome import FileOutcome
from airlock.validate.rules import lost_dags

LIVE = verdict("1", dags=(dag("etl"), dag("etl_late", file="etl.py")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etl.py").write_text("from airflow.sdk import dag\n")
    return tmp_path


@pytest.mark.parametrize(
    "outcomes",
    [
        [outcome("etl.py", dags=(dag("etl"),))],
        [outcome("etl.py", dags=(dag("renamed", file="etl.py"),))],
        [outcome("etl.py"), outcome("new.py", dags=(dag("etl"), dag("etl_late")))],
        [outcome("etl.py", errors={"etl.py": "KeyError"})],
        [outcome("etl.py", how="crashed")],
    ],
    ids=["one is left", "renamed", "moved", "failed", "crashed"],
)
def test_a_file_that_still_gives_dags_or_failed_gives_nothing(root: Path, outcomes: list[FileOutcome]) -> None:
    assert list(lost_dags.find(observed(root, *outcomes, live=LIVE))) == []


def test_a_deleted_file_gives_nothing(tmp_path: Path) -> None:
    assert list(lost_dags.find(observed(tmp_path, live=LIVE))) == []


def test_nothing_is_lost_where_nothing_is_live(root: Path) -> None:
    assert list(lost_dags.find(observed(root, outcome("etl.py")))) == []


def test_a_file_that_gives_none_any_more_is_named_with_its_dags(root: Path) -> None:
    (finding,) = lost_dags.find(observed(root, outcome("etl.py"), live=LIVE))
    assert (finding.rule, finding.severity, finding.file) == ("lost-dags", "error", "etl.py")
    assert finding.message == "the file gives no DAG any more; live are: etl, etl_late"


def test_a_file_that_is_ignored_now_is_named_too(root: Path) -> None:
    (finding,) = lost_dags.find(observed(root, live=LIVE))
    assert finding.message == "the file is not found by Airflow any more; live are: etl, etl_late"


def test_a_file_outside_of_the_folder_that_is_followed_now_gives_nothing(root: Path) -> None:
    assert list(lost_dags.find(observed(root, live=LIVE, folder=root / "dags"))) == []
