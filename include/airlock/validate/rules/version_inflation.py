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
# Two imports in a row see what changes at every look at the clock, not what changes once a minute or a day.
_CHANGES_SLOWLY = re.compile(r"\b(today|yesterday|tomorrow|strftime|date|replace|combine)\(")
_SHOWN_CHARS = 80


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each DAG that two imports made differently, and for what Airflow itself warns of.

    Airflow looks at the text of the file: what it warns of may be nowhere in the DAG that it stores, and two imports
    that are the same prove it.
    """
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
        if not outcome.varies or _CHANGES_SLOWLY.search(code):
            shown = code if len(code) <= _SHOWN_CHARS else f"{code[:_SHOWN_CHARS]}..."
            message = f"a value changes with time: {shown}; Airflow would store a new version whenever it does"
            yield _finding(outcome, message, line=line)


def _finding(outcome: FileOutcome, message: str, *, line: int | None = None, dag_id: str | None = None) -> Finding:
    return Finding(rule=ID, severity=SEVERITY, file=outcome.file, line=line, dag_id=dag_id, message=message, hint=HINT)
