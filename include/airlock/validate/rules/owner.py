"""``owner``: a task has an owner that the repository's policy does not allow. Says nothing unless the policy asks."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from airlock.validate import option
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "owner"
SEVERITY: Severity = "error"
HINT = "set owner in the default_args of the DAG; allowed: {allowed}"
OPTIONS: tuple[Option, ...] = (Option(name="allowed", default=(), read=option.choices, stricter=option.both),)


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each DAG that has tasks of another owner."""
    for allowed in observed.option(ID, "allowed"):
        for outcome in observed.outcomes:
            for dag in outcome.dags:
                owners = [owner for owner in dag.owner.split(", ") if owner]
                wrong = [one for one in owners if not any(fnmatch.fnmatchcase(one, pattern) for pattern in allowed)]
                if wrong:
                    yield Finding(
                        rule=ID,
                        severity=SEVERITY,
                        file=outcome.file,
                        dag_id=dag.dag_id,
                        message=f"{dag.dag_id}: owner {', '.join(wrong)} is not allowed",
                        hint=HINT.format(allowed=", ".join(allowed)),
                    )
