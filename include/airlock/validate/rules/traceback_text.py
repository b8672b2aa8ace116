"""Reads the text of a Python traceback: where in the repository it happened, and what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FRAME = re.compile(r'^[ \t]*File "(?P<path>[^"\n]+)", line (?P<line>\d+)', re.MULTILINE)
_FRAME_LINE = re.compile(r"\s|Traceback |During handling|The above exception|\+-|\|")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What went wrong, the innermost line in the DAG file, and the innermost place in another file."""

    message: str
    line: int | None
    elsewhere: str


def read(text: str, *, root: Path, file: str) -> Fault:
    """Return the fault that a traceback tells of; ``file`` is the DAG file, relative to ``root``.

    Works for other texts too: the message is then the last line.
    """
    line, elsewhere = None, ""
    prefix = f"{root}/"
    for frame in _FRAME.finditer(text):
        path = frame["path"]
        if path == f"{prefix}{file}":
            line, elsewhere = int(frame["line"]), ""
        elif path.startswith(prefix):
            elsewhere = f"{path.removeprefix(prefix)}:{frame['line']}"
    return Fault(message=_message(text).replace(prefix, ""), line=line, elsewhere=elsewhere)


def _message(text: str) -> str:
    """Return the last exception with its own lines, without the frames above it."""
    lines = text.strip().splitlines()
    start = len(lines)
    while start > 0 and not _FRAME_LINE.match(lines[start - 1]) and lines[start - 1]:
        start -= 1
    return "\n".join(lines[start:]) or (lines[-1].strip() if lines else "no message")
