"""``left-running``: processes or threads run on when the import has ended; in Airflow some are left at every parse."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "left-running"
SEVERITY: Severity = "error"
HINT = "start it in a task, or end it before the import does"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file that left something running: threads alone, which end with the parser, warn."""
    for outcome in observed.outcomes:
        if outcome.how == "parsed" and (outcome.left or outcome.threads):
            told = [_told(outcome.left, "process", "processes"), _told(outcome.threads, "thread", "threads")]
            message = f"when the import had ended, {' and '.join(filter(None, told))} ran on"
            severity: Severity = "error" if outcome.left else "warning"
            yield Finding(rule=ID, severity=severity, file=outcome.file, message=message, hint=HINT)


def _told(names: tuple[str, ...], one: str, many: str) -> str:
    return f"{len(names)} {one if len(names) == 1 else many} ({', '.join(sorted(set(names))[:3])})" if names else ""
