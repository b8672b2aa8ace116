"""Walks and removes folders that others filled: however deep they are, and whatever rights they have."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LONG = 2048  # bytes: half of what a path may have


def is_file(path: Path) -> bool:
    """Tell whether there is a file, for names that somebody else made up too: what no path can be is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder, as `is_file` does."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder from there down with the names of its folders and of all else, as ``os.walk`` does.

    Links are not followed, and what cannot be read is left out. It is not bound by the depth of Python's stack.
    """
    waiting = [os.fspath(folder)]
    while waiting:
        place = waiting.pop()
        folders: list[str] = []
        others: list[str] = []
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
        yield place, folders, others
        waiting += [os.path.join(place, name) for name in folders]


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as that is possible; none is no error.

    Nobody may write into it meanwhile. Links in it are removed and not followed; one in its place stays.
    """
    top = os.fspath(folder)
    if os.path.islink(top):
        return
    waiting, seen = [top], []
    while waiting:
        place = waiting.pop()
        seen.append(place)
        with suppress(OSError):  # another's folder may let its group remove what is in it
            os.chmod(place, 0o700)
        with suppress(OSError):
            with os.scandir(place) as entries:
                inside = list(entries)
            waiting += [path for entry in inside if (path := _emptied(entry, top))]
    for place in reversed(seen):  # what was found later lies deeper
        with suppress(OSError):
            os.rmdir(place)


def _emptied(entry: os.DirEntry[str], top: str) -> str:
    """Remove a file; return the path of a folder, which is moved up where it has become too long."""
    with suppress(OSError):
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
        elif len(os.fsencode(entry.path)) < _LONG:
            return entry.path
        else:
            os.chmod(entry.path, 0o700)  # a folder without rights cannot be moved
            nearer = tempfile.mkdtemp(dir=top)
            os.rename(entry.path, nearer)
            return nearer
    return ""
