"""What a rehearsal's report says, from two verdicts on one revision."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.verdicts import dag, verdict

from airlock.rehearsal import packages, report as reports
from airlock.rehearsal.report import Effect, Environment, Report
from airlock.verdict import Finding, Verdict, compare

LIVE = verdict("r" * 40, dags=(dag("orders"), dag("stock")), inputs={"orders.py": ("orders.py", "shared.py")})


def candidate(*findings: Finding, dags: tuple[str, ...] = ("orders", "stock"), **changed: str) -> Verdict:
    judged = verdict("r" * 40, dags=tuple(dag(name, **changed) for name in dags), findings=findings)
    return replace(judged, changes=compare(LIVE, judged))


def error(file: str, **values: str) -> Finding:
    return Finding(rule="import-error", severity="error", file=file, line=3, message="ImportError: x", **values)


def report(effect: Effect) -> Report:
    return Report(
        source="dags",
        revision="r" * 40,
        release=7,
        image="airlock:next",
        at="2026-01-02T03:04:05+00:00",
        running=Environment(python="3.13.5", airflow="3.3.2"),
        candidate=Environment(python="3.13.6", airflow="3.4.0", problem="incomplete: IndexUnreachable: no index"),
        effect=effect,
        packages=packages.compare({"pandas": "2"}, {"pandas": "3"}),
    )


def test_a_candidate_in_which_all_is_the_same_is_good() -> None:
    effect = reports.effect(LIVE, candidate())
    assert effect == Effect(judged=candidate().summary)
    assert report(effect).is_good
    assert report(effect).summary == "airlock:next: no DAG breaks; 1 package differs"


def test_a_dag_that_is_missing_is_named_with_the_finding_of_its_file() -> None:
    effect = reports.effect(LIVE, candidate(error("stock.py"), dags=("orders",)))
    assert [(one.dag_id, one.file, one.findings) for one in effect.broken] == [
        ("stock", "stock.py", (error("stock.py"),))
    ]
    assert effect.other == effect.changes == ()
    assert report(effect).summary == "airlock:next: 1 DAG would break: stock; 1 package differs"


def test_a_finding_of_a_shared_module_belongs_to_the_dags_that_import_it() -> None:
    effect = reports.effect(LIVE, candidate(error("shared.py"), dags=("stock",)))
    assert [(one.dag_id, one.findings) for one in effect.broken] == [("orders", (error("shared.py"),))]


def test_a_dag_that_is_there_but_faulty_would_break_too() -> None:
    effect = reports.effect(LIVE, candidate(error("stock.py")))
    assert [one.dag_id for one in effect.broken] == ["stock"]


def test_a_dag_that_vanishes_without_a_word_would_break() -> None:
    effect = reports.effect(LIVE, candidate(dags=("orders",)))
    assert [(one.dag_id, one.findings) for one in effect.broken] == [("stock", ())]
    assert not report(effect).is_good


def test_an_error_that_belongs_to_no_live_dag_is_told_all_the_same() -> None:
    effect = reports.effect(LIVE, candidate(error("other.py")))
    assert (effect.broken, effect.other) == ((), (error("other.py"),))
    assert report(effect).summary == "airlock:next: 0 DAGs would break; 1 error beside; 1 package differs"


def test_another_structure_is_told_and_another_form_only_named() -> None:
    assert reports.effect(LIVE, candidate(schedule="@hourly", digest="d2")).changes == (
        "~ orders: schedule @daily -> @hourly",
        "~ stock: schedule @daily -> @hourly",
    )
    effect = reports.effect(LIVE, candidate(digest="d2"))
    assert (effect.changes, effect.same) == ((), ("orders", "stock"))


def test_removed_api_is_told_and_breaks_nothing_by_itself() -> None:
    finding = Finding(rule="deprecated-api", severity="warning", file="stock.py", line=2, message="x is removed")
    effect = reports.effect(LIVE, candidate(finding))
    assert effect.removed_api == (finding,)
    assert report(effect).is_good


def test_without_a_verdict_on_what_is_live_errors_are_told() -> None:
    assert reports.effect(None, candidate(error("stock.py"))).other == (error("stock.py"),)


def test_the_document_has_everything() -> None:
    removed = Finding(
        rule="deprecated-api", severity="warning", file="a.py", line=1, message="x is removed", hint="use y"
    )
    judged = candidate(error("stock.py", hint="mend it"), removed, dags=("orders",), schedule="@hourly", digest="d2")
    text = reports.to_markdown(report(reports.effect(LIVE, judged)))
    assert (
        text
        == f"""# Rehearsal of airlock:next

**airlock:next: 1 DAG would break: stock; 1 package differs**

Source dags, release 7, revision rrrrrrrrrrrr, 2026-01-02T03:04:05+00:00. {judged.summary}.

| | running | candidate |
|---|---|---|
| Python | 3.13.5 | 3.13.6 |
| Airflow | 3.3.2 | 3.4.0 |
| lockfile | | incomplete: IndexUnreachable: no index |

## DAGs that would break

- **stock** (`stock.py`)
  - `stock.py:3` [import-error] ImportError: x (mend it)

## DAGs that would be others

- `~ orders: schedule @daily -> @hourly`

## Removed and deprecated API in use

- `a.py:1` x is removed (use y)

## Packages

- upgraded pandas 2 to 3
"""
    )


def test_the_record_is_plain_json() -> None:
    document = report(reports.effect(LIVE, candidate(error("stock.py"), dags=("orders",)))).to_json()
    assert json.loads(json.dumps(document)) == document
    assert (document["good"], document["effect"]["broken"][0]["dag_id"]) == (False, "stock")
