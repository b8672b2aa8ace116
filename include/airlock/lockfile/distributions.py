"""What is installed in the running interpreter, read from the installation's own records."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import site
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

_SEPARATORS = re.compile(r"[-_.]+")
_RECORDS = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One installed distribution: its normalised name, its version, and the folder of its records."""

    name: str
    version: str
    records: Path


def installed(folders: Sequence[Path] | None = None) -> Mapping[str, Distribution]:
    """Return the installed distributions by normalised name, in the order of their names.

    ``folders`` are searched in order and the first one that has a distribution wins, as in an import; without it they
    are the site folders of this interpreter. ``sys.path`` as a whole is not searched: DAG bundles are on it, and a
    folder in somebody's repository is not an installation.
    """
    found: dict[str, Distribution] = {}
    for folder in site_folders() if folders is None else folders:
        for distribution in _in_folder(folder):
            found.setdefault(distribution.name, distribution)
    return dict(sorted(found.items()))


def digest(folders: Sequence[Path] | None = None) -> str:
    """Return the sha256 of this environment: the Python version and ``name==version`` of all that is installed.

    Cheap enough to be asked every minute: 5 ms for 136 distributions (20 ms with a cold disk).
    """
    lines = [f"python=={platform.python_version()}"]
    lines += [f"{distribution.name}=={distribution.version}" for distribution in installed(folders).values()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def site_folders() -> tuple[Path, ...]:
    """Return the folders that installers write to and that this interpreter imports from, in import order."""
    known = {os.path.realpath(folder) for folder in (*site.getsitepackages(), site.getusersitepackages())}
    chosen = dict.fromkeys(os.path.realpath(entry) for entry in sys.path if os.path.realpath(entry) in known)
    return tuple(Path(folder) for folder in chosen)


def normalise(name: str) -> str:
    """Return the one spelling of a distribution's name that comparisons use."""
    return _SEPARATORS.sub("-", name).lower()


def canonical(version: str) -> str:
    """Return the one spelling of a version that comparisons use: an old wheel's own may have leading zeros."""
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


def _in_folder(folder: Path) -> Iterator[Distribution]:
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        record = _RECORDS.get(os.path.splitext(name)[1])
        if record is None:
            continue
        headers = _headers(folder / name / record)
        # Without both headers it is the remains of an interrupted installation: nothing that can be imported by name.
        if "name" in headers and "version" in headers:
            yield Distribution(name=normalise(headers["name"]), version=headers["version"], records=folder / name)


def _headers(metadata: Path) -> Mapping[str, str]:
    # The two headers are among the first lines; importlib.metadata parses each whole file as an e-mail: 70 ms, not 5.
    headers: dict[str, str] = {}
    try:
        with open(metadata, encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.strip():
                    break
                key, _, value = line.partition(":")
                if key.lower() in ("name", "version"):
                    headers.setdefault(key.lower(), value.strip())
                    if len(headers) == 2:
                        break
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return headers
