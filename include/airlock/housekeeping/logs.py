"""Removes old task logs, the way Airflow names them: ``dag_id=…/run_id=…/task_id=…/attempt=N.log``."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from airlock.housekeeping.removal import Removal, size_of

_DAY_S = 86_400


def remove_old(folder: Path, *, days: int, dry_run: bool) -> Removal:
    """Remove the logs that were last written more than ``days`` days ago, and folders that become empty.

    Zero days remove nothing. Files that Airflow did not name are left alone.
    """
    if days == 0:
        return Removal(names=(), size=0, dry_run=dry_run)
    oldest = time.time() - days * _DAY_S
    old = [path for path in sorted(folder.glob("dag_id=*/**/*.log*")) if path.is_file() and _is_older(path, oldest)]
    size = size_of(old)
    if not dry_run:
        for path in old:
            path.unlink(missing_ok=True)
            _remove_empty(path.parent, root=folder)
    return Removal(names=tuple(path.relative_to(folder).as_posix() for path in old), size=size, dry_run=dry_run)


def _is_older(path: Path, oldest: float) -> bool:
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime < oldest
    return False


def _remove_empty(folder: Path, *, root: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except OSError:  # a newer log, or a task that writes its first line just now
            return
        folder = folder.parent
