"""``import-error``: Airflow cannot import the file: wrong syntax, an exception, a cycle, an unknown parameter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airlock.validate import refused
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import cluster_policy, missing_package, not_serialisable, time_out, traceback_text
from airlock.verdict import Finding, Severity

ID = "import-error"
SEVERITY: Severity = "error"
HINT = "import the file in a venv that `airlock venv` made: the same error shows there"
OPTIONS: tuple[Option, ...] = ()
_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_HINTS = {
    "ModuleNotFoundError": "the DAG folder is the import root: name the module from there, and commit it",
    "VARIABLE_NOT_FOUND": "set the variable where this runs, or give a default: Variable.get(name, default=None)",
    "CONNECTION_NOT_FOUND": "create the connection where this runs, or ask for it inside the task",
    "SyntaxError": "python -m py_compile shows it",
}


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each of Airflow's import errors that has no rule of its own."""
    for outcome in observed.outcomes:
        for text in outcome.errors.values():
            fault = traceback_text.read(text, root=observed.root, file=outcome.file)
            if (
                time_out.is_meant(text)
                or not_serialisable.is_meant(text)
                or cluster_policy.is_meant(text)
                or missing_package.package_of(observed, fault.message)
            ):
                continue
            message = f"{fault.message} (in {fault.elsewhere})" if fault.elsewhere else fault.message
            known = (_HINTS[word] for word in fault.message.split(": ")[:2] if word in _HINTS)
            hint = _wrong_root(observed, fault.message) or next(known, HINT)
            if refused.MARK in text:
                hint = refused.HINT
            yield Finding(rule=ID, severity=SEVERITY, file=outcome.file, line=fault.line, message=message, hint=hint)


def _wrong_root(observed: Observed, message: str) -> str:
    """Return the hint for a module that is named from the root of the repository instead of the DAG folder."""
    named = _MODULE.match(message)
    folder = observed.relative(observed.folder)
    if not named or named[1].partition(".")[0] != folder.partition("/")[0]:
        return ""
    return f"the import root is {folder}/: leave {folder.replace('/', '.')}. out of the module's name"
