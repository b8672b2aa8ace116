"""The log files of the components: bounded, readable at the end."""

from __future__ import annotations

import shutil
from pathlib import Path

LIMIT_BYTES = 10 * 1024 * 1024


def bound(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
    """Move what a log holds to ``<name>.1`` when it is longer than ``limit_bytes``.

    The writer has the file open for appending and goes on at its new beginning; what it writes in between is lost.
    """
    try:
        if path.stat().st_size > limit_bytes:
            kept = path.with_name(f"{path.name}.1")
            try:
                shutil.copyfile(path, kept)
            except OSError:  # the disk is full: better no old log than a longer one
                kept.unlink(missing_ok=True)
            with path.open("r+b") as file:
                file.truncate()
    except FileNotFoundError:
        return


def tail(path: Path, *, lines: int = 15) -> str:
    """Return the last lines of a log, or a note that there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])
