"""``text``: lines for a person; coloured on a terminal, and complete without colour."""

from __future__ import annotations

import os
import sys

from airlock.cli import report
from airlock.verdict import Verdict


def render(verdict: Verdict, prefix: str) -> str:
    """Return the verdict as lines. Paths are those of the folder that was judged: ``prefix`` is not needed."""
    del prefix
    return report.text(verdict, colour=is_colourful())


def is_colourful() -> bool:
    """Tell whether standard output is a terminal whose user has nothing against colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
