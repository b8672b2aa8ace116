"""``airflow-write``: importing the file changes something in Airflow, which is refused while it is judged."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "airflow-write"
SEVERITY: Severity = "error"
HINT = "the DAG processor would do it again at every parse: do it in a task"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file that asked Airflow to change something."""
    for outcome in observed.outcomes:
        if writes := [f"{asked.kind} {asked.name}".strip() for asked in outcome.asked if asked.is_write]:
            message = f"importing the file asks Airflow for {', '.join(writes)}, which was refused"
            yield Finding(rule=ID, severity=SEVERITY, file=outcome.file, message=message, hint=HINT)
