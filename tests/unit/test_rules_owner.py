from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome
from tests.verdicts import dag

from airlock.validate.rules import owner


def test_unless_it_is_asked_for_every_owner_is_right(tmp_path: Path) -> None:
    assert list(owner.find(observed(tmp_path, outcome(dags=(dag("etl"),))))) == []


def test_an_allowed_owner_gives_nothing(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", owner="team-a, team-b"), dag("empty", owner="")))
    assert list(owner.find(observed(tmp_path, one, options={"owner": {"allowed": (("team-*",),)}}))) == []


def test_another_owner_is_named(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", owner="airflow, team-a"),))
    (finding,) = owner.find(observed(tmp_path, one, options={"owner": {"allowed": (("team-*",),)}}))
    assert (finding.rule, finding.severity, finding.dag_id) == ("owner", "error", "etl")
    assert finding.message == "etl: owner airflow is not allowed"
    assert finding.hint.endswith("allowed: team-*")


def test_the_lists_of_repository_and_deployment_hold_both(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", owner="team-c"),))
    options = {"owner": {"allowed": (("team-*",), ("team-a", "team-b"))}}
    assert len(list(owner.find(observed(tmp_path, one, options=options)))) == 1
