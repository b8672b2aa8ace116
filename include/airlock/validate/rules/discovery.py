"""``discovery``: Airflow cannot list the DAG files, for a reason that no other rule names, or cannot tell one's name.

The DAG processor sends the name of each file to the process that imports it, as UTF-8; a name that is none ends it.
"""

from __future__ import annotations

from collections.abc import Iterator

from airlock.text import is_utf8
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import link
from airlock.verdict import Finding, Severity

ID = "discovery"
SEVERITY: Severity = "error"
HINT = "Airflow has to be able to walk the DAG folder; remove what it cannot read"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield one finding when discovery failed and neither a link nor an ignore file explains it, and for odd names."""
    error = observed.discovery.error
    if error and not observed.discovery.ignore_files and next(link.find(observed), None) is None:
        error = error.replace(f"{observed.root}/", "")
        yield Finding(rule=ID, severity=SEVERITY, message=f"the DAG files cannot be listed: {error}", hint=HINT)
    for name in observed.discovery.files:
        if not is_utf8(name):
            message = "the name is not UTF-8: this ends Airflow's DAG processor, for all DAGs"
            file = observed.relative(observed.folder / name)
            yield Finding(rule=ID, severity=SEVERITY, file=file, message=message, hint="rename the file")
