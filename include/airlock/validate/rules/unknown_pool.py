"""``unknown-pool``: a task asks for a pool that does not exist. Airflow would never start it.

A task of Airflow's cannot list its pools, so their names are a setting.
"""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate import option
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "unknown-pool"
SEVERITY: Severity = "error"
HINT = "create the pool and add it to rules.unknown-pool.pools, or use one of: {pools}"
OPTIONS: tuple[Option, ...] = (Option(name="pools", default=None, read=option.names, stricter=option.common),)
_ALWAYS = "default_pool"


def why_unchecked(observed: Observed) -> str:
    """Say why the pools are not known, where a task names one."""
    named = {pool for outcome in observed.outcomes for dag in outcome.dags for pool in dag.pools.values()}
    if observed.option(ID, "pools") is not None or not named:
        return ""
    return f"rules.{ID}.pools does not say which pools there are; named are: {', '.join(sorted(named))}"


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each pool of a DAG that is not among the known ones."""
    pools = observed.option(ID, "pools")
    if pools is None:
        return
    known = {*pools, _ALWAYS}
    for outcome in observed.outcomes:
        for dag in outcome.dags:
            for pool in sorted({*dag.pools.values()} - known):
                tasks = sorted(task for task, one in dag.pools.items() if one == pool)
                message = f"{dag.dag_id}: there is no pool {pool}; task {tasks[0]} would wait for ever" + (
                    f", and {len(tasks) - 1} more" if len(tasks) > 1 else ""
                )
                yield Finding(
                    rule=ID,
                    severity=SEVERITY,
                    file=outcome.file,
                    dag_id=dag.dag_id,
                    message=message,
                    hint=HINT.format(pools=", ".join(sorted(known))),
                )
