"""``text``: lines for a person; coloured on a terminal, and complete without colour."""

from __future__ import annotations

from airlock.cli import report
from airlock.verdict import Verdict


def render(verdict: Verdict, prefix: str) -> str:
    """Return the verdict as lines. Paths are those of the folder that was judged: ``prefix`` is not needed."""
    del prefix
    return report.text(verdict, colour=report.is_colourful())
