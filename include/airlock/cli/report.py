"""How verdicts are printed, for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator

from airlock.verdict import Finding, Verdict


def text(verdict: Verdict) -> str:
    """Return a verdict as lines for a person; readable without colour."""
    lines = [f"{verdict.revision[:12]} {verdict.summary}"]
    for finding in verdict.findings:
        lines += finding_lines(finding)
    lines += verdict.changes.lines
    return "\n".join(lines)


def finding_lines(finding: Finding) -> Iterator[str]:
    """Yield the lines of one finding: place, severity, message, rule; then the hint."""
    place = f"{finding.place}: " if finding.place else ""
    yield f"{place}{finding.severity}: {finding.message} [{finding.rule}]"
    if finding.hint:
        yield f"    hint: {finding.hint}"


def document(verdict: Verdict) -> str:
    """Return a verdict as one JSON document."""
    return json.dumps(verdict.to_json())
