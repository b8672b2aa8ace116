"""Verdicts without an import, for tests of what happens to them."""

from __future__ import annotations

from typing import Any

from airlock.verdict import Dag, Verdict


def verdict(revision: str, **values: Any) -> Verdict:
    """Return a passed verdict on a revision."""
    defaults: dict[str, Any] = {
        "revision": revision,
        "result": "passed",
        "environment": "e1",
        "judged_at": "2026-01-01T00:00:00+00:00",
        "duration_s": 1.0,
        "total": 1,
        "imported": 1,
    }
    return Verdict(**{**defaults, **values})


def dag(dag_id: str, **values: Any) -> Dag:
    """Return a small DAG as a verdict lists it."""
    defaults: dict[str, Any] = {
        "dag_id": dag_id,
        "file": f"{dag_id}.py",
        "schedule": "@daily",
        "owner": "airflow",
        "tags": (),
        "tasks": {"a": "EmptyOperator"},
        "edges": (),
        "pools": {},
        "retries": {},
        "inlets": (),
        "outlets": (),
        "scheduled_by": (),
        "digest": "d1",
    }
    return Dag(**{**defaults, **values})
