from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st
from tests.verdicts import dag, verdict

from airlock.verdict import Changes, Finding, Verdict, compare, dumps, from_json

_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
_FINDINGS = st.builds(
    Finding,
    rule=_NAMES,
    severity=st.sampled_from(["error", "warning"]),
    message=_NAMES,
    file=st.none() | _NAMES,
    line=st.none() | st.integers(1, 99),
)
_DAGS = st.builds(
    dag,
    _NAMES,
    tags=st.tuples(_NAMES),
    tasks=st.dictionaries(_NAMES, _NAMES, max_size=3),
    edges=st.just(("a -> b",)),
    digest=st.sampled_from("xy"),
)
_VERDICTS = st.builds(
    verdict,
    st.just("r1"),
    dags=st.lists(_DAGS, max_size=3, unique_by=lambda one: one.dag_id).map(tuple),
    findings=st.tuples(_FINDINGS),
    inputs=st.dictionaries(_NAMES, st.tuples(_NAMES), max_size=2),
)


@given(_VERDICTS)
def test_a_verdict_survives_its_json(one: Verdict) -> None:
    assert from_json(json.loads(dumps(one.to_json()))) == one


@pytest.mark.parametrize("document", [{}, {"files": 3}, {"files": {}, "dags": [{}]}])
def test_another_document_is_no_verdict(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a verdict"):
        from_json(document)


@given(_VERDICTS, _VERDICTS)
def test_what_is_added_in_one_direction_is_removed_in_the_other(one: Verdict, two: Verdict) -> None:
    there, back = compare(one, two), compare(two, one)
    assert (there.added, there.removed, there.changed) == (back.removed, back.added, back.changed)
    assert len(there.lines) == len(there.added) + len(there.removed) + len(there.changed)


@given(_VERDICTS)
def test_nothing_changes_against_itself(one: Verdict) -> None:
    assert compare(one, one) == Changes()


def test_each_line_tells_a_person_what_changes() -> None:
    live = verdict("1", dags=(dag("gone"), dag("etl"), dag("moved")))
    after = dag(
        "etl",
        schedule="0 3 * * *",
        owner="dora",
        tags=("eu",),
        tasks={"a": "BashOperator", "b": "EmptyOperator"},
        edges=("a -> b",),
        digest="d2",
    )
    candidate = verdict("2", dags=(dag("new"), after, dag("moved", file="team/moved.py")))
    assert compare(live, candidate).lines == (
        "+ new: 1 task, schedule @daily",
        "- gone",
        (
            "~ etl: schedule @daily -> 0 3 * * *; owner airflow -> dora; tags none -> eu; task added: b; "
            "task a EmptyOperator -> BashOperator; edge added: a -> b"
        ),
        "~ moved: file moved.py -> team/moved.py",
    )


def test_pools_retries_and_assets_are_told_too() -> None:
    live = verdict("1", dags=(dag("etl", pools={"a": "small"}, outlets=("raw",)),))
    after = dag("etl", retries={"a": 2}, inlets=("files",), outlets=("clean",), digest="d2")
    assert compare(live, verdict("2", dags=(after,))).lines == (
        (
            "~ etl: pool of a small -> default_pool; retries of a 0 -> 2; inlet added: files; "
            "outlet added: clean; outlet removed: raw"
        ),
    )


def test_a_verdict_without_the_fields_of_today_is_no_verdict() -> None:
    document = json.loads(dumps(verdict("1", dags=(dag("etl"),)).to_json()))
    del document["dags"][0]["pools"]
    with pytest.raises(ValueError, match="not a verdict"):
        from_json(document)


def test_a_change_that_no_field_shows_is_still_told() -> None:
    live, candidate = verdict("1", dags=(dag("etl"),)), verdict("2", dags=(dag("etl", digest="d2"),))
    assert compare(live, candidate).lines == ("~ etl: details of tasks or parameters",)


def test_the_summary_counts_what_was_found() -> None:
    findings = tuple(Finding(rule="x", severity=severity, message="") for severity in ("error", "warning", "warning"))
    rejected = verdict("1", result="rejected", total=2, findings=findings, dags=(dag("a"),))
    assert rejected.summary == "rejected: 1 error, 2 warnings; 1 DAG in 2 files, 1.0 s"
    assert verdict("1").summary == "passed: 0 DAGs in 1 file, 1.0 s"
