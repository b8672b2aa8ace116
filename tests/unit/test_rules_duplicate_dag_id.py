from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome
from tests.verdicts import dag, verdict

from airlock.validate.rules import duplicate_dag_id


def test_different_ids_give_nothing(tmp_path: Path) -> None:
    outcomes = outcome("a.py", dags=(dag("a"),)), outcome("b.py", dags=(dag("b"),))
    assert list(duplicate_dag_id.find(observed(tmp_path, *outcomes))) == []


def test_the_file_that_is_not_live_is_the_one_to_blame(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import x\n\nDAG('etl')\n")
    outcomes = outcome("a.py", dags=(dag("etl"),)), outcome("b.py", dags=(dag("etl"),))
    (finding,) = duplicate_dag_id.find(
        observed(tmp_path, *outcomes, live=verdict("1", dags=(dag("etl", file="b.py"),)))
    )
    assert (finding.place, finding.dag_id, finding.message) == ("a.py:3", "etl", "etl is also defined in b.py")


def test_without_a_live_one_the_first_name_is_right(tmp_path: Path) -> None:
    outcomes = outcome("a.py", dags=(dag("etl"),)), outcome("b.py", dags=(dag("etl"),))
    (finding,) = duplicate_dag_id.find(observed(tmp_path, *outcomes))
    assert finding.file == "b.py"


def test_an_id_of_another_bundle_is_taken(tmp_path: Path) -> None:
    one = outcome("a.py", dags=(dag("etl"),))
    (finding,) = duplicate_dag_id.find(observed(tmp_path, one, owners={"etl": "source sales"}))
    assert finding.message == "etl is already a DAG of source sales"


def test_an_id_that_one_file_gives_twice_is_told(tmp_path: Path) -> None:
    one = outcome("a.py", dags=(dag("etl"),), repeated=("etl",))
    (finding,) = duplicate_dag_id.find(observed(tmp_path, one))
    assert finding.message == "etl is defined more than once in this file; Airflow keeps any one of them"


def test_an_id_that_airflow_knows_from_a_bundle_that_is_no_source_may_be_from_long_ago(tmp_path: Path) -> None:
    one = outcome("a.py", dags=(dag("etl"), dag("new")))
    (finding,) = duplicate_dag_id.find(observed(tmp_path, one, elsewhere={"etl": "old-dags"}))
    assert (finding.severity, finding.dag_id) == ("warning", "etl")
    assert finding.message.startswith("Airflow knows etl from bundle old-dags; ")
