"""Where the tree of a release is made from: the mirror of the source, or on another machine a copy of its release
repository.
"""

from __future__ import annotations

import logging

from airlock import mirror as mirrors, release, replica as replicas, tree
from airlock.errors import AirlockError, CommandFailed, StateError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State

log = logging.getLogger(__name__)


def provide(state: State, source: Source, revision: str, *, thorough: bool = False) -> None:
    """Make the tree of a release, or mend it.

    A release that is not known on this machine is looked for in the release repository. Raises ``StateError``
    (``NotPublished``) for a revision that is no release, ``TransientError`` where the release repository is needed and
    out of reach, and as ``airlock.tree`` does.
    """
    repository = _that_has(state, source, revision)
    try:
        _make(repository, state, revision, thorough=thorough)
    except AirlockError as error:
        if repository.path != state.replica(source.name):
            raise
        log.warning("source %s: the copy of the release repository is made again: %s", source.name, error.message)
        replicas.renew(repository)
        _make(repository, state, revision, thorough=thorough)


def _that_has(state: State, source: Source, revision: str) -> Mirror:
    mirror = mirrors.of(state, source)
    if release.is_published(mirror, revision):
        return mirror
    if source.has_release_repository:
        replica = replicas.of(state, source)
        if not _knows(replica, revision):
            replicas.fetch_revision(replica, revision)
        if _knows(replica, revision):
            return replica
    raise StateError(
        f"source {source.name}: revision {revision} was never published, so it is not run",
        hint="publish it with a sync; only revisions that passed validation become releases",
        reason="NotPublished",
    )


def _knows(replica: Mirror, revision: str) -> bool:
    try:
        return release.is_published(replica, revision)
    except CommandFailed as error:
        log.warning("source %s: the copy of the release repository is made again: %s", replica.source.name, error)
        replicas.renew(replica)
        return release.is_published(replica, revision)


def _make(repository: Mirror, state: State, revision: str, *, thorough: bool) -> None:
    trees, released = state.trees(repository.source.name), release.of_revision(repository, revision)
    if (trees / revision).is_dir():
        tree.mend(repository.path, revision, trees, thorough=thorough)
    recorded = released.subdir if released else None
    subdir = repository.source.subdir if recorded is None else recorded
    tree.materialise(repository.path, revision, trees, subdir=subdir)
