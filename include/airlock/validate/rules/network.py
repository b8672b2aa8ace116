"""``network``: importing the file reaches for the network, which is refused while it is judged."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import attempts
from airlock.verdict import Finding, Severity

ID = "network"
SEVERITY: Severity = "error"
HINT = "move the request into a task, or keep its answer in the repository or in a Variable"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each file that tried, a warning where the deployment allows it."""
    return attempts.find(observed, "network", rule=ID, hint=HINT, verb="reaches for")
