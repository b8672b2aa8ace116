"""Removal: the revision removes a large share of the live DAGs. Often the wrong branch or folder."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.guards.objection import Objection
from airlock.guards.settings import Settings
from airlock.verdict import Verdict, compare

SAMPLE = "sample"
_TOLD = 5


def check(verdict: Verdict, live: Verdict, settings: Settings) -> Iterator[Objection]:
    """Object when more than a share of the live DAGs goes, and at least a number; one that leaves none is ``empty``.

    Where only DAGs with the tag ``sample`` are live, the first repository of one's own replaces the sample unasked.
    """
    if all(SAMPLE in dag.tags for dag in live.dags):
        return
    removed = compare(live, verdict).removed
    if not verdict.dags or len(removed) < max(1, settings.at_least) or len(removed) <= settings.share * len(live.dags):
        return
    told = ", ".join(removed[:_TOLD]) + (f" and {len(removed) - _TOLD} more" if len(removed) > _TOLD else "")
    yield Objection(guard="removal", message=f"{len(removed)} of {len(live.dags)} live DAGs would be removed: {told}")
