"""``crash``: importing the file ended the process. In the DAG processor this leaves no trace."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import traceback_text
from airlock.verdict import Finding, Severity

ID = "crash"
SEVERITY: Severity = "error"
HINT = "a DAG file is imported again and again: it must not exit, and native code in it must not fail"
OPTIONS: tuple[Option, ...] = ()
_SHOWN_LINES = 3
_FAULT_DUMP = re.compile(r"^(Fatal Python error: .*|(Current thread|Thread|Stack) .*first\)):?$", re.MULTILINE)


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file whose import ended without a result."""
    for outcome in observed.outcomes:
        if outcome.how == "crashed":
            place = traceback_text.read(outcome.output, root=observed.root, file=outcome.file)
            detail = f"{outcome.detail} (in {place.elsewhere})" if place.elsewhere else outcome.detail
            printed = _FAULT_DUMP.split(outcome.output)[0].strip().splitlines()[-_SHOWN_LINES:]
            message = f"importing the file ended the process: {detail}" + (
                f"; it printed: {' | '.join(printed)}" if printed else ""
            )
            yield Finding(rule=ID, severity=SEVERITY, file=outcome.file, line=place.line, message=message, hint=HINT)
