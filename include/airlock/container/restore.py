"""``python -m airlock.container.restore``: puts the state and secrets of a backup, read from standard input, in place.

Run it while nothing else of the stack does. What is there already is not lost: it is moved aside.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from airlock import git, state as states
from airlock.container import backup, place, secrets
from airlock.errors import AirlockError, UsageError
from airlock.secret import write_private
from airlock.state import State

_STAGING = ".restore"


def main() -> int:
    """Restore; exit status 0, or 2 with what is wrong and nothing changed."""
    try:
        aside = restore(states.from_environment(os.environ), place.SECRETS, sys.stdin.buffer)
    except AirlockError as error:
        print(f"airlock: {error}", file=sys.stderr)
        return 2
    secrets.write(place.SECRETS, place.BACKEND)
    if aside:
        print(f"airlock: what was there before is in {aside}", file=sys.stderr)
    return 0


def restore(state: State, secrets_folder: Path, archive: BinaryIO) -> Path | None:
    """Replace the repositories of ``state`` and the files of ``secrets_folder`` by those of an archive.

    Everything is unpacked and checked first: an archive that is damaged, or is something else, changes nothing. Returns
    where the repositories and secrets lie that were there before, ``None`` when there were none.

    Raises ``UsageError`` (``NotABackup``).
    """
    staging = state.root / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        found = _unpack(archive, staging)
        aside = _move_aside(state, secrets_folder)
        for repository in backup.repositories(found):
            target = state.root / repository.relative_to(found.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            repository.rename(target)
        for file in (staging / backup.SECRETS).iterdir():
            write_private(secrets_folder / file.name, file.read_text("utf-8"))
        shutil.rmtree(state.cache, ignore_errors=True)  # trees of the replaced state
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return aside


def _unpack(archive: BinaryIO, staging: Path) -> State:
    try:
        with tarfile.open(fileobj=archive, mode="r|") as tar:
            tar.extractall(staging, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise UsageError(
            f"this is not a backup, or a damaged one: {error}",
            hint="give the file that deploy/backup wrote",
            reason="NotABackup",
        ) from error
    found = State(root=staging / backup.STATE)
    repositories = backup.repositories(found)
    if not repositories or not (staging / backup.SECRETS).is_dir():
        raise UsageError(
            "this archive has no state or no secrets of a stack",
            hint="give the file that deploy/backup wrote",
            reason="NotABackup",
        )
    for repository in repositories:
        git.run(repository, "fsck", "--connectivity-only", "--no-dangling", timeout_s=3600)
    return found


def _move_aside(state: State, secrets_folder: Path) -> Path | None:
    repositories = backup.repositories(state)
    if not repositories:
        return None
    aside = state.root / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for repository in repositories:
        target = aside / repository.relative_to(state.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        repository.rename(target)
    kept = aside / backup.SECRETS
    kept.mkdir(mode=0o700)
    for file in secrets_folder.iterdir():
        shutil.copy2(file, kept / file.name)
    return aside


if __name__ == "__main__":
    sys.exit(main())
