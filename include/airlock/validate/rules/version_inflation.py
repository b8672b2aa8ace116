"""``version-inflation``: the DAG comes out differently every time, so that Airflow stores version after version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import FileOutcome, Observed
from airlock.verdict import Finding, Severity

ID = "version-inflation"
SEVERITY: Severity = "warning"
HINT = "use a fixed value, or a template such as {{ ds }}, which is filled in when the task runs"
OPTIONS: tuple[Option, ...] = ()
_MARK = "runtime-variable values"
_PLACE = re.compile(r"^Line (\d+), Col \d+\n(?:Code: (.*))?", re.MULTILINE)


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each DAG that two imports made differently, and for what Airflow itself warns of."""
    for outcome in observed.outcomes:
        for dag_id, parts in outcome.unstable.items():
            what = f": {'; '.join(parts)}" if parts else ""
            message = f"two imports of {dag_id} differ{what}; Airflow would store a new version at every parse"
            yield _finding(outcome, message, dag_id=dag_id)
        if not outcome.unstable:
            yield from _warnings(outcome)


def _warnings(outcome: FileOutcome) -> Iterator[Finding]:
    places = {
        (int(number), code.strip())
        for warning in outcome.warnings
        if _MARK in warning
        for number, code in _PLACE.findall(warning)
    }
    for line, code in sorted(places):
        message = f"{code or 'a value'} is another one at every parse; Airflow would store a new version each time"
        yield _finding(outcome, message, line=line)


def _finding(outcome: FileOutcome, message: str, *, line: int | None = None, dag_id: str | None = None) -> Finding:
    return Finding(rule=ID, severity=SEVERITY, file=outcome.file, line=line, dag_id=dag_id, message=message, hint=HINT)
