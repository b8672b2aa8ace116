"""The lockfile as files in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from airlock.errors import OperatorError, UsageError
from airlock.lockfile import artifact
from airlock.lockfile.artifact import MANIFEST, NAMES, Artifact


def read(folder: Path) -> Artifact:
    """Return the lockfile that lies in ``folder``.

    Raises ``UsageError`` when there is none, ``StateError`` when it is damaged.
    """
    try:
        files = {name: (folder / name).read_bytes() for name in NAMES if (folder / name).is_file()}
    except OSError as error:
        raise OperatorError(f"{folder} cannot be read: {error.strerror}", hint="check its permissions") from error
    if MANIFEST not in files:
        raise UsageError(f"{folder} has no {MANIFEST}", hint="airlock lock --out DIR writes a lockfile into a folder")
    return artifact.parse(files, subject=str(folder))


def write(folder: Path, new: Artifact) -> None:
    """Write the lockfile into ``folder``, which is made if need be; a file that ``new`` does not have is removed.

    Each file is whole at any moment. The manifest comes last: a writer that dies before leaves a folder that ``read``
    refuses, and the next writer mends it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            if name not in new.files:
                (folder / name).unlink(missing_ok=True)
        for name in (*(name for name in NAMES if name != MANIFEST), MANIFEST):
            if name in new.files:
                _write(folder / name, new.files[name])
    except OSError as error:
        raise OperatorError(f"{folder} cannot be written: {error.strerror}", hint="choose another folder") from error


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
