"""``mass-removal``: the revision removes a large share of the live DAGs. Often the wrong branch or folder."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate import option
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "mass-removal"
SEVERITY: Severity = "warning"
HINT = "is it the right branch and folder? Runs of removed DAGs do not go on"
OPTIONS: tuple[Option, ...] = (
    Option(name="share", default=0.5, read=option.share, stricter=min),
    Option(name="at_least", default=3, read=option.count, stricter=min),
)
_TOLD = 5


def find(observed: Observed) -> Iterator[Finding]:
    """Yield one finding when the share and the number of removed DAGs both reach their limits.

    DAGs of files that failed are not removed: their files have findings of their own, and reject the revision.
    """
    failed = {outcome.file for outcome in observed.outcomes if outcome.how != "parsed" or outcome.errors}
    defined = {dag.dag_id for outcome in observed.outcomes for dag in outcome.dags}
    live = observed.live_dags
    if not live or observed.discovery.error:
        return
    removed = sorted(dag.dag_id for dag in live.values() if dag.dag_id not in defined and dag.file not in failed)
    enough = max(1, observed.option(ID, "at_least"))
    if len(removed) >= enough and len(removed) / len(live) >= observed.option(ID, "share"):
        told = ", ".join(removed[:_TOLD]) + (f" and {len(removed) - _TOLD} more" if len(removed) > _TOLD else "")
        message = f"{len(removed)} of {len(live)} live DAGs would be removed: {told}"
        yield Finding(rule=ID, severity=SEVERITY, message=message, hint=HINT)
