"""``policy``: the repository's ``airlock.toml`` has something that Airlock does not know or does not allow."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "policy"
SEVERITY: Severity = "error"
HINT = "docs/configuration.md has every setting of airlock.toml"
OPTIONS: tuple[Option, ...] = ()
_FILE = "airlock.toml"


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each fault of the policy file."""
    for fault in observed.policy_faults:
        severity: Severity = "error" if fault.is_error else "warning"
        yield Finding(rule=ID, severity=severity, file=_FILE, line=fault.line, message=fault.message, hint=HINT)
