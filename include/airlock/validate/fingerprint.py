"""What an input of an import looks like now: equal fingerprints mean that the import would find the same there."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

_LARGEST_BYTES = 64 << 20
Input = tuple[str, str]
"""A kind and a name, as ``airlock.validate.touched`` tells them."""


class Fingerprints:
    """Looks at the inputs of all files of one tree, at each once; the tree must not change meanwhile.

    ``environ`` has the environment of the children: a digest for each variable.
    """

    def __init__(self, root: str, environ: Mapping[str, str]) -> None:
        self._root = root
        self._environ = environ
        self._known: dict[Input, str] = {}
        self._names: dict[str, list[str] | str] = {}

    def of(self, one: Input) -> str:
        """Return the fingerprint of one input; empty when it has none that can be relied on."""
        if not all(isinstance(part, str) for part in one):
            return ""  # another hand than ours wrote it
        if one not in self._known:
            try:
                self._known[one] = self._look(*one)
            except ValueError:  # no file can have such a name
                self._known[one] = ""
        return self._known[one]

    def _look(self, kind: str, name: str) -> str:
        if kind == "environ":
            return digest(repr(sorted(self._environ.items()))) if name == "*" else self._environ.get(name, "not set")
        path = name if kind == "outside" else f"{self._root}{os.sep}{name}"
        if kind == "list":
            names = self._listed(path)
            return names if isinstance(names, str) else digest("\0".join(names))
        return self._module(path) if kind == "module" else _state(path)

    def _module(self, path: str) -> str:
        """Return which files a search for a module would find: ``name``, ``name.*``, and what makes it a package."""
        place, _, name = path.rpartition(os.sep)
        names = self._listed(place)
        if isinstance(names, str):
            return _state(place)  # an archive, or nothing
        found = [entry for entry in names if entry == f"{name}/" or entry.startswith((f"{name}.", f"{name}@"))]
        if f"{name}/" in found or f"{name}@" in found:
            inside = self._listed(path)
            found += [entry for entry in inside if entry.startswith("__init__.")] if isinstance(inside, list) else []
        return "\0".join(found) or "none"

    def _listed(self, path: str) -> list[str] | str:
        """Return the names in a directory, each with a mark for its kind, or why they cannot be listed."""
        if path not in self._names:
            try:
                with os.scandir(path) as entries:
                    self._names[path] = sorted(f"{entry.name}{_mark(entry)}" for entry in entries)
            except OSError as error:
                self._names[path] = f"error {error.errno}"
        return self._names[path]


def digest(text: str | bytes) -> str:
    """Return a short digest."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _mark(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "@"
    return "/" if entry.is_dir() else ""


def _state(path: str) -> str:
    try:
        seen, link = os.lstat(path), ""
        if stat.S_ISLNK(seen.st_mode):
            link = f"link {Path(path).readlink()} "
            seen = Path(path).stat()
        if stat.S_ISDIR(seen.st_mode):
            return f"{link}directory"
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > _LARGEST_BYTES:
            return ""
        # Not more than its size: one of the kernel's has none, and reading it may wait for ever.
        with open(path, "rb", buffering=0, opener=_without_waiting) as file:
            return f"{link}file {seen.st_mode & 0o777:o} {digest(file.read(seen.st_size))}"
    except OSError as error:
        return f"error {error.errno}"


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
