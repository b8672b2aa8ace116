"""``cluster-policy``: the deployment's own policy (``airflow_local_settings`` or a plugin) refuses the DAG."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import traceback_text
from airlock.verdict import Finding, Severity

ID = "cluster-policy"
SEVERITY: Severity = "error"
HINT = "the rule is the deployment's: its operator can say what is asked for"
OPTIONS: tuple[Option, ...] = ()


def is_meant(text: str) -> bool:
    """Tell whether an import error of Airflow comes from a cluster policy."""
    return "AirflowClusterPolicy" in text


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each DAG or task that a cluster policy refuses."""
    for outcome in observed.outcomes:
        for text in outcome.errors.values():
            if is_meant(text):
                fault = traceback_text.read(text, root=observed.root, file=outcome.file)
                _, _, reason = fault.message.rpartition("AirflowClusterPolicy")
                message = f"refused by the deployment's cluster policy: {reason.partition(': ')[2] or fault.message}"
                yield Finding(
                    rule=ID, severity=SEVERITY, file=outcome.file, line=fault.line, message=message, hint=HINT
                )
