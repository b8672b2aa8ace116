"""``write``: importing the file writes outside its temporary directory, which is refused while it is judged."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import attempts
from airlock.verdict import Finding, Severity

ID = "write"
SEVERITY: Severity = "error"
HINT = "a DAG file is imported again and again, by several processes: write in a task, or into tempfile.gettempdir()"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file that tried."""
    return attempts.find(observed, "write", rule=ID, hint=HINT, verb="writes to")
