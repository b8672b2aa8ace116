"""What rules look at, without an import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airlock.validate.outcome import Discovery, FileOutcome, Observed
from airlock.validate.policy import Policies


def outcome(file: str = "etl.py", **values: Any) -> FileOutcome:
    """Return how the import of one file went; by default well, without a DAG."""
    return FileOutcome(**{"file": file, "how": "parsed", **values})


def observed(root: Path, *outcomes: FileOutcome, **values: Any) -> Observed:
    """Return what was observed of a tree; by default discovery found the files of the outcomes."""
    defaults: dict[str, Any] = {
        "root": root,
        "folder": root,
        "discovery": Discovery(files=tuple(one.file for one in outcomes)),
        "outcomes": outcomes,
        "options": Policies().options(),
    }
    return Observed(**{**defaults, **values})
