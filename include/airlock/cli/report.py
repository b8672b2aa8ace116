"""How verdicts are printed, for people and for scripts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

from airlock.text import one_line
from airlock.verdict import Finding, Verdict

_RED, _YELLOW, _GREEN, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[0m"
_COLOURS = {"error": _RED, "warning": _YELLOW, "passed": _GREEN, "rejected": _RED}


def text(verdict: Verdict, *, colour: bool = False) -> str:
    """Return a verdict as lines for a person; readable without colour."""
    result = _coloured(verdict.result, verdict.result, colour=colour)
    lines = [f"{verdict.revision[:12]} {result}{verdict.summary.removeprefix(verdict.result)}"]
    for finding in verdict.findings:
        lines += finding_lines(finding, colour=colour)
    lines += [f"suppressed ({one_line(one.reason)}): {line(one.finding)}" for one in verdict.suppressed]
    lines += map(one_line, (*verdict.unchecked, *verdict.changes.lines))
    return "\n".join(lines)


def finding_lines(finding: Finding, *, colour: bool = False) -> Iterator[str]:
    """Yield the lines of one finding: place, severity, message, rule; then the hint."""
    yield line(finding, colour=colour)
    if finding.hint:
        hint = f"    hint: {finding.hint}"
        yield f"{_DIM}{hint}{_PLAIN}" if colour else hint


def line(finding: Finding, *, colour: bool = False) -> str:
    """Return a finding without its hint; further lines of its message are indented, so that none poses as another."""
    place = f"{finding.place}: " if finding.place else ""
    severity = _coloured(finding.severity, finding.severity, colour=colour)
    return f"{place}{severity}: {finding.message} [{finding.rule}]".replace("\n", "\n    ")


def is_colourful() -> bool:
    """Tell whether standard output is a terminal whose user has nothing against colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def document(verdict: Verdict) -> str:
    """Return a verdict as one JSON document."""
    return json.dumps(verdict.to_json())


def _coloured(text: str, kind: str, *, colour: bool) -> str:
    return f"{_COLOURS[kind]}{text}{_PLAIN}" if colour and kind in _COLOURS else text
