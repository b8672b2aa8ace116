"""``deprecated-api``: the file uses what Airflow 3 removed, moved or will remove, as ruff's AIR rules know."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "deprecated-api"
SEVERITY: Severity = "warning"
HINT = "ruff check --select AIR3 tells more, and --fix mends most of it"
OPTIONS: tuple[Option, ...] = ()
_STILL_WORKS = "; It still works in Airflow 3.0 but is expected to be removed in a future version."


def why_unchecked(observed: Observed) -> str:
    """Say why ruff could not be asked."""
    return observed.lint_failure


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each use, the first of several of one kind in a file."""
    seen = set()
    for outcome in observed.outcomes:
        for one in outcome.lint:
            key = one.file, one.code, one.message
            if key not in seen:
                seen.add(key)
                yield Finding(
                    rule=ID,
                    severity=SEVERITY,
                    file=one.file,
                    line=one.line,
                    message=f"{_plainly(one.message)} ({one.code})",
                    hint=one.advice or HINT,
                )


def _plainly(message: str) -> str:
    if not message.endswith(_STILL_WORKS):
        return message
    what = message.removesuffix(_STILL_WORKS).replace(" is removed in Airflow 3.0", " is deprecated")
    return f"{what}; it still works, and will be removed from a later Airflow"
