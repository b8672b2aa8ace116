"""The folder of a virtual environment of ours: whether it may be used, and how far the last run came."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from airlock.errors import OperatorError, UsageError

_RECORD = "airlock.json"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder that is, or will be, a virtual environment made by Airlock."""

    root: Path

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def packages(self, version: str) -> Path:
        """The folder of its packages, for Python ``version`` (X.Y.Z)."""
        short = ".".join(version.split(".")[:2])
        return self.root / ("Lib/site-packages" if os.name == "nt" else f"lib/python{short}/site-packages")


def claim(root: Path) -> Place:
    """Return ``root`` as a place of ours: one that is free, or that an earlier run made or began.

    Raises ``UsageError`` (``NotOurs``) when something else is there.
    """
    place = Place(root=root)
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file", hint="give a folder", reason="NotOurs")
    if _entries(root) and not (root / _RECORD).is_file():
        raise UsageError(
            f"{root} was not made by airlock venv, so it is left alone",
            hint="give another folder, or remove this one first: everything in it that is not in the lockfile would go",
            reason="NotOurs",
        )
    return place


def is_proven(place: Place) -> bool:
    """Tell whether the last run in this place came to its good end."""
    try:
        return bool(json.loads((place.root / _RECORD).read_bytes())["proven"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def record(place: Place, *, proven: bool, lock_sha256: str) -> None:
    """Write down that the place is ours, which lockfile it is for, and whether it equals it."""
    text = json.dumps({"made_by": "airlock venv", "proven": proven, "lock_sha256": lock_sha256})
    beside = place.root / f".{_RECORD}.{os.getpid()}.tmp"
    try:
        place.root.mkdir(parents=True, exist_ok=True)
        beside.write_text(f"{text}\n", encoding="utf-8")
        beside.rename(place.root / _RECORD)
    except OSError as error:
        raise OperatorError(
            f"{place.root} cannot be written: {error.strerror}", hint="choose another folder"
        ) from error


def clear(place: Place) -> None:
    """Remove everything but the record, so that a run that dies here leaves a place that is still ours."""
    for entry in _entries(place.root):
        if entry.name == _RECORD:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _entries(root: Path) -> list[Path]:
    # A record that was not finished says no more than an empty folder.
    return [entry for entry in root.iterdir() if not entry.name.startswith(f".{_RECORD}.")] if root.is_dir() else []
