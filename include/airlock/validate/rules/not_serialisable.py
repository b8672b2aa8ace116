"""``not-serialisable``: the file imports, but Airflow cannot store a DAG of it, so that it would never appear."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import traceback_text
from airlock.verdict import Finding, Severity

ID = "not-serialisable"
SEVERITY: Severity = "error"
HINT = "use only what Airflow can serialise: timetables registered by a plugin, JSON parameters, no open connections"
OPTIONS: tuple[Option, ...] = ()
_DAG = re.compile(r"Failed to serialize DAG '([^']+)'")


def is_meant(text: str) -> bool:
    """Tell whether an import error of Airflow is about serialisation."""
    return "SerializationError" in text or "_serialize_dags" in text


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each DAG that Airflow could not serialise."""
    for outcome in observed.outcomes:
        for text in outcome.errors.values():
            if is_meant(text):
                message = traceback_text.read(text, root=observed.root, file=outcome.file).message
                named = _DAG.search(message)
                yield Finding(
                    rule=ID,
                    severity=SEVERITY,
                    file=outcome.file,
                    dag_id=named[1] if named else None,
                    message=message,
                    hint=HINT,
                )
