"""``import-error``: Airflow cannot import the file: wrong syntax, an exception, a cycle, an unknown parameter."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.outcome import Observed
from airlock.validate.rules import not_serialisable, time_out, traceback_text
from airlock.verdict import Finding, Severity

ID = "import-error"
SEVERITY: Severity = "error"
HINT = "import the file in a venv that `airlock venv` made: the same error shows there"
_HINTS = {
    "ModuleNotFoundError": "the package is not in the lockfile, or the module is not below the DAG folder",
    "SyntaxError": "python -m py_compile shows it",
}


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each of Airflow's import errors that has no rule of its own."""
    for outcome in observed.outcomes:
        for text in outcome.errors.values():
            if time_out.is_meant(text) or not_serialisable.is_meant(text):
                continue
            fault = traceback_text.read(text, root=observed.root, file=outcome.file)
            message = f"{fault.message} (in {fault.elsewhere})" if fault.elsewhere else fault.message
            hint = _HINTS.get(fault.message.partition(":")[0], HINT)
            yield Finding(rule=ID, severity=SEVERITY, file=outcome.file, line=fault.line, message=message, hint=hint)
