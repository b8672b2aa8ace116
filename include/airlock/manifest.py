"""What a tree looked like when it was made, so that damage by hand or by the disk is seen.

The manifest of ``versions/<revision>`` is ``manifests/<revision>.json`` beside that folder: size, time and digest of
every file; ``<revision>.subdir`` has the folder of it that holds the DAG files. Where size and time are as recorded the
content is taken to be; where they are not it is read. After a start of the machine each tree is read once in full,
because a file that was not yet on the disk can be empty after a power failure and keep its size and time.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from airlock import scratch

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SUBDIR = ".subdir"
_BOOTS_KEPT = 16  # several machines may share the folder
_CHUNK = 1 << 20

Look = tuple[int, int, bool]  # size, modification time in nanoseconds, executable
Files = dict[str, tuple[Look, str]]


def damage(tree: Path, *, thorough: bool = False) -> frozenset[str] | None:
    """Return the files of a tree that are not as they were made: changed, missing, or added by somebody.

    ``thorough`` reads every file. ``None`` when there is no manifest, so that nothing is known. What Python itself
    writes (``__pycache__``) does not count.
    """
    recorded = _read(tree)
    if recorded is None:
        return None
    files, boots = recorded
    try:
        present = dict(_walk(tree))
    except OSError:  # something stands where a folder was, or it cannot be entered
        return frozenset(files)
    is_new_boot = (boot := _boot()) not in boots
    doubted = {
        path for path in present.keys() & files.keys() if thorough or is_new_boot or present[path] != files[path][0]
    }
    wrong = {path for path in doubted if not _is_same(tree, path, present[path], files[path])}
    found = frozenset(wrong | (present.keys() ^ files.keys()))
    if not found and (is_new_boot or any(present[path] != files[path][0] for path in doubted)):
        with suppress(OSError):  # it only saves the next look some work
            _write(tree, {path: (look, files[path][1]) for path, look in present.items()}, [*boots, boot])
    return found


def take(tree: Path, *, known: Mapping[str, tuple[Look, str]] | None = None) -> Files:
    """Return what a folder holds; digests of files that look as in ``known`` are taken from there."""
    trusted = known or {}
    return {
        path: (look, trusted[path][1] if path in trusted and trusted[path][0] == look else _digest(tree, path))
        for path, look in _walk(tree)
    }


def read(tree: Path) -> Files:
    """Return the manifest of a tree, empty when there is none."""
    recorded = _read(tree)
    return recorded[0] if recorded else {}


def write(tree: Path, files: Files) -> None:
    """Record what ``tree`` holds, or is about to hold: the folder need not be there yet."""
    _write(tree, files, [_boot()])


def remove(tree: Path) -> None:
    """Forget a tree."""
    _place(tree).unlink(missing_ok=True)
    _place(tree).with_suffix(_SUBDIR).unlink(missing_ok=True)


def subdir(tree: Path) -> str | None:
    """Return the folder of a tree that holds the DAG files, ``None`` when nobody recorded it."""
    try:
        return _place(tree).with_suffix(_SUBDIR).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write_subdir(tree: Path, folder: str) -> None:
    """Record the folder of a tree that holds the DAG files; the tree need not be there yet."""
    if subdir(tree) != folder:
        _replace(_place(tree).with_suffix(_SUBDIR), folder)


def revisions(trees: Path) -> set[str]:
    """Return the names of the trees below ``trees`` of which something is recorded, also of those that are gone."""
    return {path.stem for path in trees.with_name("manifests").glob("*.*")}


def _place(tree: Path) -> Path:
    return tree.parent.with_name("manifests") / f"{tree.name}.json"


def _read(tree: Path) -> tuple[Files, list[str]] | None:
    try:
        document = json.loads(_place(tree).read_bytes())
        files = {path: ((size, time_ns, runs), digest) for path, (size, time_ns, runs, digest) in document["files"]}
        return files, list(document["boots"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(tree: Path, files: Files, boots: list[str]) -> None:
    document = {
        "boots": boots[-_BOOTS_KEPT:],
        "files": [(path, (*look, digest)) for path, (look, digest) in files.items()],
    }
    _replace(_place(tree), json.dumps(document, separators=(",", ":"), ensure_ascii=True))


def _replace(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    # A crash before the rename leaves a file that the next user of the folder removes; a torn one is none.
    with scratch.directory(place.parent.with_name("staging")) as folder:
        beside = folder / place.name
        beside.write_text(text, encoding="utf-8")
        beside.replace(place)


def _walk(tree: Path) -> Iterator[tuple[str, Look]]:
    folders = [("", os.fspath(tree))]
    while folders:
        prefix, folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                path = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        folders.append((f"{path}/", entry.path))
                    continue
                found = entry.stat(follow_symlinks=False)
                # A pipe or socket has a size that no file has.
                is_content = stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)
                yield path, (found.st_size if is_content else -1, found.st_mtime_ns, bool(found.st_mode & stat.S_IXUSR))


def _is_same(tree: Path, path: str, look: Look, recorded: tuple[Look, str]) -> bool:
    (size, _, runs), digest = recorded
    return (look[0], look[2]) == (size, runs) and _digest(tree, path) == digest


def _digest(tree: Path, path: str) -> str:
    """Return a digest of a file's content or of a link's target, ``""`` where it cannot be read."""
    place = tree / path
    try:
        if place.is_symlink():
            return f"link:{str(place.readlink())!r}"
        digest = hashlib.sha256()
        with open(place, "rb", opener=_without_waiting) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()
    except OSError:
        return ""


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)  # a pipe in a file's place would wait for ever


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""
