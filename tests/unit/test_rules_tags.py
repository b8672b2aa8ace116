from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome
from tests.verdicts import dag

from airlock.validate.rules import tags

ASKED = {"tags": {"required": ("team:*", "tier")}}


def test_unless_it_is_asked_for_no_tag_is_needed(tmp_path: Path) -> None:
    assert list(tags.find(observed(tmp_path, outcome(dags=(dag("etl"),))))) == []


def test_a_dag_with_all_of_them_gives_nothing(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", tags=("team:sales", "tier", "more")),))
    assert list(tags.find(observed(tmp_path, one, options=ASKED))) == []


def test_what_is_lacking_is_named(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", tags=("tier",)),))
    (finding,) = tags.find(observed(tmp_path, one, options=ASKED))
    assert (finding.rule, finding.severity, finding.dag_id) == ("tags", "error", "etl")
    assert finding.message == "etl has no tag team:*"
