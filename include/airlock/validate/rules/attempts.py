"""Findings about what was refused to a file while it was imported, shared by the rules that name one kind each."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate import refused
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

_TOLD = 3


def find(observed: Observed, kind: str, *, rule: str, hint: str, verb: str) -> Iterator[Finding]:
    """Yield a finding for each file with attempts of one kind; an import error that tells of it is enough."""
    for outcome in observed.outcomes:
        tried = [attempt for attempt in outcome.attempts if attempt.kind == kind]
        if not tried or any(f"{kind} {refused.MARK}" in text for text in outcome.errors.values()):
            continue
        targets = [
            attempt.what.replace(f"{observed.root}/", "") + (f" (by {attempt.by})" if attempt.by else "")
            for attempt in tried
        ]
        more = f" and {len(targets) - _TOLD} more" if len(targets) > _TOLD else ""
        is_refused = any(attempt.is_refused for attempt in tried)
        severity: Severity = "error" if any(one.is_refused and one.is_sure for one in tried) else "warning"
        first = tried[0]
        elsewhere = f" (in {first.file}:{first.line})" if first.file not in ("", outcome.file) else ""
        yield Finding(
            rule=rule,
            severity=severity,
            file=outcome.file,
            line=first.line if first.file == outcome.file else None,
            message=f"importing the file {verb} {', '.join(targets[:_TOLD])}{more}{elsewhere}"
            + (", which was refused" if is_refused else ""),
            hint=hint,
        )
