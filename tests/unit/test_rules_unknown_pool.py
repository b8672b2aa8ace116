from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome
from tests.verdicts import dag

from airlock.validate.rules import unknown_pool

NAMED = outcome(dags=(dag("etl", pools={"b": "small", "a": "small"}),))
KNOWN = {"unknown-pool": {"pools": ("wide",)}}


def test_the_default_pool_is_always_known(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl"), dag("other", pools={"a": "default_pool"})))
    assert list(unknown_pool.find(observed(tmp_path, one, options=KNOWN))) == []


def test_a_known_pool_gives_nothing(tmp_path: Path) -> None:
    one = outcome(dags=(dag("etl", pools={"a": "wide"}),))
    assert list(unknown_pool.find(observed(tmp_path, one, options=KNOWN))) == []


def test_where_the_pools_are_not_known_the_rule_says_so_if_it_matters(tmp_path: Path) -> None:
    assert list(unknown_pool.find(observed(tmp_path, NAMED))) == []
    assert "named are: small" in unknown_pool.why_unchecked(observed(tmp_path, NAMED))
    assert unknown_pool.why_unchecked(observed(tmp_path, outcome(dags=(dag("etl"),)))) == ""


def test_the_task_that_would_wait_is_named(tmp_path: Path) -> None:
    (finding,) = unknown_pool.find(observed(tmp_path, NAMED, options=KNOWN))
    assert (finding.rule, finding.severity, finding.dag_id) == ("unknown-pool", "error", "etl")
    assert finding.message == "etl: there is no pool small; task a would wait for ever, and 1 more"
    assert finding.hint.endswith("default_pool, wide")
