"""Packs the state's git repositories. Nothing else does: git's own maintenance is switched off while Airlock works."""

from __future__ import annotations

from pathlib import Path

from airlock import git
from airlock.housekeeping.removal import size_of

_TIMEOUT_S = 3600
# What nothing refers to may belong to a publish that is under way, or was rewritten upstream a moment ago.
_GRACE = "2.weeks.ago"


def pack(repository: Path) -> int:
    """Pack one repository and return by how many bytes it shrank. Call it where no other process writes.

    Refs keep their values at every moment, and no object that one of them needs ever goes.
    """
    before = size_of(repository.rglob("*"))
    git.run(repository, "gc", "--quiet", f"--prune={_GRACE}", timeout_s=_TIMEOUT_S)
    return before - size_of(repository.rglob("*"))
