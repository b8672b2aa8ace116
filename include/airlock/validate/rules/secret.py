"""``secret``: importing the file looks into another process, or reads a file with the deployment's secrets."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import attempts
from airlock.verdict import Finding, Severity

ID = "secret"
SEVERITY: Severity = "error"
HINT = "ask for a Connection or a Variable instead"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file that tried."""
    return attempts.find(observed, "secret", rule=ID, hint=HINT, verb="reads")
