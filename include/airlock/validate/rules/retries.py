"""``retries``: a task has fewer or more retries than the policy allows. Says nothing unless it asks."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate import option
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "retries"
SEVERITY: Severity = "error"
HINT = "set retries in the task, or in the default_args of the DAG"
OPTIONS: tuple[Option, ...] = (
    Option(name="at_least", default=0, read=option.count, stricter=max),
    Option(name="at_most", default=None, read=option.count, stricter=option.lower),
)
_DOES_NOTHING = "EmptyOperator"
_TOLD = 3


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each DAG with such tasks; tasks that do nothing need no retries."""
    least, most = observed.option(ID, "at_least"), observed.option(ID, "at_most")
    for outcome in observed.outcomes:
        for dag in outcome.dags:
            told = {task: dag.retries.get(task, 0) for task, kind in dag.tasks.items() if kind != _DOES_NOTHING}
            wrong = [
                f"{task} has {number}"
                for task, number in sorted(told.items())
                if number < least or (most is not None and number > most)
            ]
            if wrong:
                limits = f"at least {least}" + (f" and at most {most}" if most is not None else "")
                more = f" and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
                message = f"{dag.dag_id}: retries must be {limits}; {', '.join(wrong[:_TOLD])}{more}"
                yield Finding(
                    rule=ID, severity=SEVERITY, file=outcome.file, dag_id=dag.dag_id, message=message, hint=HINT
                )
