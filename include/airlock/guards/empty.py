"""Empty tree: there are live DAGs, and the revision has none."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.guards.objection import Objection
from airlock.verdict import Verdict


def check(verdict: Verdict, live: Verdict) -> Iterator[Objection]:
    """Object to a revision without any DAG where there are some."""
    if live.dags and not verdict.dags:
        yield Objection(guard="empty", message=f"the revision has no DAG; all of the live ones ({len(live.dags)}) go")
