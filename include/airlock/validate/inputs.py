"""Names what the import of each DAG file read, as git names it: what a change has to touch to affect the file."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from airlock.validate.outcome import FileOutcome, Observed


def of(observed: Observed) -> Mapping[str, tuple[str, ...]]:
    """Return ``airlock.verdict.Verdict.inputs``: what was opened or asked about, and as ``folder/`` what was listed.

    What was reached through a link of the repository stands there under its own name too.
    """
    own_names = _OwnNames(os.path.realpath(observed.root))
    return {outcome.file: tuple(sorted(set(_names(outcome, own_names)))) for outcome in observed.outcomes}


def _names(outcome: FileOutcome, own_names: _OwnNames) -> Iterator[str]:
    asked_about = (name for kind, name in outcome.touched if kind == "file" and not name.endswith(".pyc"))
    for name in (*outcome.inputs, *asked_about):
        yield name
        yield from own_names.of(name)
    for folder in (name for kind, name in outcome.touched if kind == "list"):
        yield f"{folder}/"
        yield from (f"{name}/" for name in own_names.of(folder))


class _OwnNames:
    """Finds the names of files without links on the way; each folder is looked at once."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: dict[str, str | None] = {"": ""}

    def of(self, name: str) -> tuple[str, ...]:
        """Return the own name, if it is another one and in the repository."""
        folder, last = posixpath.split(name)
        own = self._folder(folder)
        if own is None:
            return ()
        path = posixpath.join(own, last)
        if _is_link(Path(self._root, path)):
            inside = self._inside(path)
            return (inside,) if inside else ()
        return (path,) if path != name else ()

    def _folder(self, name: str) -> str | None:
        if name not in self._folders:
            self._folders[name] = self._inside(name)
        return self._folders[name]

    def _inside(self, name: str) -> str | None:
        try:
            path = os.path.realpath(Path(self._root, name))
        except (OSError, ValueError):
            return None
        prefix = f"{self._root}{os.sep}"
        return path.removeprefix(prefix) if path.startswith(prefix) else None


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except (OSError, ValueError):
        return False
