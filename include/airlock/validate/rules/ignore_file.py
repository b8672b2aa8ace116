"""``ignore-file``: an ``.airflowignore`` that Airflow cannot use. It would end the DAG processor, for all bundles."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "ignore-file"
SEVERITY: Severity = "error"
HINT = "save the file as UTF-8, with one valid pattern a line"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each ignore file that makes discovery fail."""
    for name, error in observed.discovery.ignore_files.items():
        path = observed.folder / name
        data = path.read_bytes()
        try:
            data.decode("utf-8")
            line = None
        except UnicodeDecodeError as fault:
            line = data[: fault.start].count(b"\n") + 1
        message = f"Airflow cannot use this ignore file ({error}); it would end the DAG processor, for all DAGs"
        yield Finding(rule=ID, severity=SEVERITY, file=observed.relative(path), line=line, message=message, hint=HINT)
