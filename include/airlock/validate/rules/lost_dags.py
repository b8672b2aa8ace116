"""``lost-dags``: a file that has live DAGs is still there, and gives none any more. Mostly an accident."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "lost-dags"
SEVERITY: Severity = "error"
HINT = "is the DAG still made at the top of the file, and called? To remove its DAGs, delete the file"
OPTIONS: tuple[Option, ...] = ()
_TOLD = 5


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file whose DAGs are all gone, and are not in another file either."""
    defined = {dag.dag_id for outcome in observed.outcomes for dag in outcome.dags}
    failed = {outcome.file for outcome in observed.outcomes if outcome.how != "parsed" or outcome.errors}
    giving = {outcome.file for outcome in observed.outcomes if outcome.dags}
    discovered = {outcome.file for outcome in observed.outcomes}
    before: dict[str, list[str]] = {}
    for dag in observed.live_dags.values():
        before.setdefault(dag.file, []).append(dag.dag_id)
    for file, dag_ids in sorted(before.items()):
        place = observed.root / file
        is_there = place.is_file() and place.is_relative_to(observed.folder)  # the source may have another folder now
        if not is_there or file in failed or file in giving or observed.discovery.error:
            continue
        lost = sorted(dag_id for dag_id in dag_ids if dag_id not in defined)
        if lost:
            told = ", ".join(lost[:_TOLD]) + (f" and {len(lost) - _TOLD} more" if len(lost) > _TOLD else "")
            why = "gives no DAG any more" if file in discovered else "is not found by Airflow any more"
            yield Finding(rule=ID, severity=SEVERITY, file=file, message=f"the file {why}; live are: {told}", hint=HINT)
