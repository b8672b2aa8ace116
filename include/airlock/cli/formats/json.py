"""``json``: the whole verdict as one document, as the mirror keeps it."""

from __future__ import annotations

from airlock.cli import report
from airlock.verdict import Verdict


def render(verdict: Verdict, prefix: str) -> str:
    """Return the verdict as JSON. Paths are those of the folder that was judged: ``prefix`` is not needed."""
    del prefix
    return report.document(verdict)
