"""Removes the trees of old releases. Their commits and records stay: a run that still needs one gets it made again.

Steps of removing one, and what a crash after each leaves behind:

1. grave: a tree in the staging folder, which the next user of that folder removes.
2. manifest: Airflow's tracking file of a version that is not on disk; the task that needs the version makes both again.
3. tracking: nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from airlock import folders, git, locks, manifest, release as releases, tree
from airlock.housekeeping.removal import Removal, size_of
from airlock.mirror import Mirror
from airlock.state import State


def remove_old(
    state: State, mirror: Mirror, *, keep: int, needed: Callable[[], AbstractSet[str]], dry_run: bool
) -> Removal:
    """Remove the trees of a source except what is live, the newest ``keep`` releases, what an unfinished run needs, and
    what a running task uses.

    ``needed`` tells the revisions of unfinished runs; it is asked when there is something to remove. A task holds
    Airflow's lock of the version that it runs (``BundleVersionLock``). Each tree goes in one step.
    """
    newest = releases.history(mirror, limit=keep)
    kept = {release.revision for release in newest} | {releases.live_revision(mirror)}
    trees = state.trees(mirror.source.name)
    old = [folder for folder in sorted(trees.glob("*")) if git.is_sha(folder.name) and folder.name not in kept]
    kept |= needed() if old else frozenset()
    gone, size = [], 0
    for folder in old:
        if folder.name in kept:
            continue
        tracking = state.cache / "bundles" / "_tracking" / mirror.source.name / folder.name
        with _unused(tracking) as is_unused:
            if not is_unused:
                continue
            size += size_of(Path(place, name) for place, _, others in folders.walk(folder) for name in others)
            gone.append(f"{mirror.source.name} {folder.name[:12]}")
            if not dry_run:
                tree.remove(folder)
                tracking.unlink(missing_ok=True)  # Airflow's own clean-up ends at a version without a tree
    if not dry_run:
        for name in manifest.revisions(trees):
            if not (trees / name).is_dir():  # removed here, earlier, or by Airflow
                manifest.remove(trees / name)
    return Removal(names=tuple(gone), size=size, dry_run=dry_run)


@contextmanager
def _unused(tracking: Path) -> Iterator[bool]:
    """Tell whether no task runs on a version, and keep tasks from starting on it for the time of the block."""
    try:
        descriptor = os.open(tracking, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True  # no task ever ran on it
        return
    try:
        yield locks.took(descriptor)
    finally:
        os.close(descriptor)
