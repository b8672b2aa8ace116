from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate.rules import time_out


def test_a_file_in_time_gives_nothing(tmp_path: Path) -> None:
    assert list(time_out.find(observed(tmp_path, outcome(errors={"etl.py": "KeyError: 1"})))) == []


def test_a_file_that_had_to_be_killed_is_named(tmp_path: Path) -> None:
    one = outcome(how="timed-out", detail="the import was killed after 50 s")
    (finding,) = time_out.find(observed(tmp_path, one))
    assert (finding.rule, finding.severity, finding.file) == ("time-out", "error", "etl.py")
    assert finding.message == "the import was killed after 50 s"


def test_a_file_that_airflow_interrupted_has_the_line_where_it_was(tmp_path: Path) -> None:
    text = (
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/etl.py", line 9, in <module>\n'
        "    time.sleep(99)\n"
        "airflow.sdk.exceptions.AirflowTaskTimeout: DagBag import timeout for etl.py after 30.0s."
    )
    (finding,) = time_out.find(observed(tmp_path, outcome(errors={"etl.py": text}, duration_s=30.2)))
    assert finding.line == 9
    assert finding.message == "the import did not end within Airflow's limit (30 s)"
