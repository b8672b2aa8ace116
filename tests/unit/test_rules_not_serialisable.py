from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate.rules import not_serialisable


def test_other_errors_are_left_to_other_rules(tmp_path: Path) -> None:
    assert list(not_serialisable.find(observed(tmp_path, outcome(errors={"etl.py": "KeyError: 'x'"})))) == []


def test_what_airflow_cannot_serialise_is_told_in_its_words(tmp_path: Path) -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "x.py", line 1, in _serialize_dags\n'
        "airflow.serialization.exceptions.SerializationError: Failed to serialize DAG 'etl': "
        "Timetable class 'Own' is not registered"
    )
    (finding,) = not_serialisable.find(observed(tmp_path, outcome(errors={"etl.py": text})))
    assert (finding.rule, finding.severity, finding.file) == ("not-serialisable", "error", "etl.py")
    assert finding.dag_id == "etl"
    assert finding.message.endswith("Timetable class 'Own' is not registered")
