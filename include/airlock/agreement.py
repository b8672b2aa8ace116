"""The state and its release repository agree on what was released, whatever was killed or lost in between.

A release is pushed first and recorded second. Steps, and what a crash after each leaves behind:

1. tag object: an object that nothing names.
2. push: the repository is one release ahead. Workers that ask it may run the release already; here it is taken over by
   the next sync or rollback.
3. transaction of refs: the same releases here and there.

A state that was restored from a backup, or made anew, takes over what it lacks in the same way. A repository that is
behind, as at its first use, is given what it lacks.
"""

from __future__ import annotations

import logging

from airlock import credentials, release as releases, release_repository
from airlock.credentials import Access
from airlock.errors import AirlockError, StateError
from airlock.mirror import Mirror
from airlock.pointer import LIVE

log = logging.getLogger(__name__)
_FETCH_S = 300


def agree(mirror: Mirror) -> None:
    """Take over releases that only the release repository has, and give it those that only the mirror has.

    Does nothing for a source without a release repository. Raises ``StateError`` (``ReleasesDiverged``) when the two
    have different releases of the same number, and as ``release_repository`` does.
    """
    source = mirror.source
    if not source.has_release_repository:
        return
    with credentials.release_access(source) as access:
        # Nearly always they agree, and nobody waits for the lock while the server takes its time.
        if mirror.exists() and release_repository.listed(source, access) == releases.refs(mirror):
            return
        with mirror.locked():
            _agree(mirror, access)


def try_to_agree(mirror: Mirror) -> None:
    """Do as `agree` does, and only tell where it cannot be done: a revision is judged all the same, and a release of it
    would not be published.
    """
    try:
        agree(mirror)
    except AirlockError as error:
        log.warning("%s", error)


def _agree(mirror: Mirror, access: Access) -> None:
    source = mirror.source
    theirs, ours = release_repository.listed(source, access), releases.refs(mirror)
    _check(mirror, ours, theirs)
    if missing := {name: sha for name, sha in theirs.items() if name not in ours and name != LIVE}:
        release_repository.fetch(mirror.path, source, access, *missing, timeout_s=_FETCH_S)
        adopted = releases.adopt(mirror, missing)
        told = ", ".join(str(release.number) for release in reversed(adopted))
        log.warning("source %s: taken over from the release repository: release %s", source.name, told)
        ours = releases.refs(mirror)
    if lacking := {name: sha for name, sha in ours.items() if theirs.get(name) != sha}:
        release_repository.push(mirror.path, source, access, lacking, expected=theirs)


def _check(mirror: Mirror, ours: release_repository.Refs, theirs: release_repository.Refs) -> None:
    if theirs.keys() == {LIVE}:
        raise StateError(
            f"{release_repository.subject_of(mirror.source)} has a branch live that is no release",
            hint="give the source a repository of its own, empty at first",
            reason="ReleasesDiverged",
        )
    shared = {name for name in ours.keys() & theirs.keys() if name.startswith(release_repository.RELEASES)}
    if numbers := [int(name.rpartition("/")[2]) for name in shared if ours[name] != theirs[name]]:
        first = min(numbers)
        name = f"{release_repository.RELEASES}{first}"
        raise StateError(
            f"{release_repository.subject_of(mirror.source)} has another release {first} ({theirs[name][:12]}) than "
            f"this state ({ours[name][:12]}): two states published there",
            hint=f"decide which of them is right: {release_repository.PAGE}",
            reason="ReleasesDiverged",
        )
