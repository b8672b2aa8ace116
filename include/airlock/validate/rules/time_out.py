"""``time-out``: the import takes longer than Airflow allows."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import traceback_text
from airlock.verdict import Finding, Severity

ID = "time-out"
SEVERITY: Severity = "error"
HINT = "move slow work from the top of the file into tasks"
OPTIONS: tuple[Option, ...] = ()


def is_meant(text: str) -> bool:
    """Tell whether an import error of Airflow is its time-out."""
    return "AirflowTaskTimeout" in text or "DagBag import timeout" in text


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file that Airflow interrupted, or that had to be killed."""
    for outcome in observed.outcomes:
        if outcome.how == "timed-out":
            yield Finding(rule=ID, severity=SEVERITY, file=outcome.file, message=outcome.detail, hint=HINT)
        for text in outcome.errors.values():
            if is_meant(text):
                fault = traceback_text.read(text, root=observed.root, file=outcome.file)
                place = f", in {fault.elsewhere}" if fault.elsewhere else ""
                message = f"the import did not end within Airflow's limit ({outcome.duration_s:.0f} s{place})"
                yield Finding(
                    rule=ID, severity=SEVERITY, file=outcome.file, line=fault.line, message=message, hint=HINT
                )
