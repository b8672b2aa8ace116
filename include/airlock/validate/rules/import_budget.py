"""``import-budget``: importing the file takes long. Airflow imports it again and again, and once for every task."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate import option
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "import-budget"
SEVERITY: Severity = "warning"
HINT = "import slow packages, and do slow work, inside the tasks that need it"
OPTIONS: tuple[Option, ...] = (Option(name="seconds", default=10.0, read=option.number, stricter=min),)
_TOLD = 3
_SHORTEST_S = 0.05


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file whose import took longer than its budget."""
    budget_s = observed.option(ID, "seconds")
    for outcome in observed.outcomes:
        if outcome.how == "parsed" and not outcome.errors and outcome.import_s > budget_s:
            slowest = [f"{name} {seconds:.1f} s" for name, seconds in outcome.imports.items() if seconds > _SHORTEST_S]
            message = f"importing the file takes {outcome.import_s:.1f} s, more than {budget_s:g} s" + (
                f"; slowest imports: {', '.join(slowest[:_TOLD])}" if slowest else ""
            )
            yield Finding(rule=ID, severity=SEVERITY, file=outcome.file, message=message, hint=HINT)
