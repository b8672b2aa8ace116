"""``python -m airlock.container.backup``: writes state and secrets to standard output as a tar archive.

Works while the stack runs: each repository is copied by git's own transport, which takes refs and the objects that they
need at one moment. The archive holds secrets. The database is not in it: ``deploy/backup`` adds a dump of that.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import BinaryIO

from airlock import git, state as states
from airlock.container import place
from airlock.errors import AirlockError
from airlock.state import State

STATE, SECRETS = "state", "secrets"
EVERY_REF = "+refs/*:refs/*"


def main() -> int:
    """Write the archive; exit status 0, or 2 with what is wrong."""
    try:
        write(states.from_environment(os.environ), place.SECRETS, sys.stdout.buffer)
    except AirlockError as error:
        print(f"airlock: {error}", file=sys.stderr)
        return 2
    return 0


def write(state: State, secrets: Path, archive: BinaryIO) -> None:
    """Write every repository of ``state``, and the files of ``secrets``, as a tar archive."""
    with tempfile.TemporaryDirectory(prefix="airlock-backup-") as folder:
        for repository in repositories(state):
            name = repository.relative_to(state.root)
            copy = Path(folder) / STATE / name
            git.init_bare(copy)
            git.run(copy, "fetch", "--quiet", "--no-tags", "--", str(repository), EVERY_REF, timeout_s=3600)
        with tarfile.open(fileobj=archive, mode="w|") as tar:
            tar.add(Path(folder), arcname="")
            tar.add(secrets, arcname=SECRETS)


def repositories(state: State) -> list[Path]:
    """Return every repository of a state directory: the sources', and the environment's."""
    found = [*sorted(state.sources.glob("*.git")), state.environment]
    return [path for path in found if (path / "HEAD").exists()]


if __name__ == "__main__":
    sys.exit(main())
