"""How a verdict is printed: one module per format, each with ``render(verdict, prefix)``, which returns the text.

``prefix`` is the way from the top of the work tree to the folder that was judged, with a slash at its end, or empty:
services that show findings beside the code count paths from the top.
"""

from __future__ import annotations

import importlib

from airlock.verdict import Verdict

NAMES = ("text", "json", "sarif", "junit", "github")


def render(name: str, verdict: Verdict, prefix: str) -> str:
    """Return a verdict in the format ``name``."""
    text: str = importlib.import_module(f"airlock.cli.formats.{name}").render(verdict, prefix)
    return text
