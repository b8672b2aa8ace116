"""``discovery``: Airflow cannot list the DAG files, for a reason that no other rule names."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import link
from airlock.verdict import Finding, Severity

ID = "discovery"
SEVERITY: Severity = "error"
HINT = "Airflow has to be able to walk the DAG folder; remove what it cannot read"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield one finding when discovery failed and neither a link nor an ignore file explains it."""
    error = observed.discovery.error
    if error and not observed.discovery.ignore_files and next(link.find(observed), None) is None:
        error = error.replace(f"{observed.root}/", "")
        yield Finding(rule=ID, severity=SEVERITY, message=f"the DAG files cannot be listed: {error}", hint=HINT)
