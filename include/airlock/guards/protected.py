"""Protected DAGs: those with the tag ``protected``, and those that the settings name, do not change by themselves."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from airlock.guards.objection import Objection
from airlock.guards.settings import Settings
from airlock.verdict import Dag, Verdict, compare

TAG = "protected"


def check(verdict: Verdict, live: Verdict, settings: Settings, touched: frozenset[str]) -> Iterator[Objection]:
    """Object once for each protected DAG of what is live that goes, differs, or reads a file that differs."""
    changes = compare(live, verdict)
    files = {dag.dag_id: dag.file for dag in verdict.dags}
    for dag in live.dags:
        if not _is_protected(dag, settings):
            continue
        if dag.dag_id in changes.removed:
            yield Objection(guard="protected", message=f"{dag.dag_id} is protected and would be removed")
        elif dag.dag_id in changes.changed or files[dag.dag_id] in touched:
            yield Objection(guard="protected", message=f"{dag.dag_id} is protected and would be changed")


def _is_protected(dag: Dag, settings: Settings) -> bool:
    return TAG in dag.tags or any(fnmatch.fnmatchcase(dag.dag_id, pattern) for pattern in settings.protected)
