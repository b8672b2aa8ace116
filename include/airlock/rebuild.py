"""A damaged mirror made again: upstream's refs from upstream, ours from the damaged one.

Steps, and what a crash after each leaves behind:

1. staging: a folder that the next user of it removes; nothing has changed.
2. aside: no mirror, and the damaged one beside it. Readers find ``live`` there; the next writer puts it back.
3. rename: the mirror, whole.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from airlock import following, git, locks, pointer, scratch, tree
from airlock.errors import AirlockError, StateError
from airlock.mirror import Mirror

log = logging.getLogger(__name__)

_LIVE = "refs/heads/live"
_UPSTREAMS = (following.BRANCHES, following.TAGS, "refs/submodules/")


def rebuild(mirror: Mirror, url: str, *, env: Mapping[str, str]) -> None:
    """Make a damaged mirror again. Call it inside ``mirror.fetching()``; other writers wait only while refs are copied.

    The damaged repository stays beside it, as ``<name>.damaged``. Raises ``StateError`` when ``live`` cannot be
    carried over: it is never dropped.
    """
    with scratch.directory(mirror.path.with_name(git.STAGING)) as place:
        fresh = place / mirror.path.name
        git.init_bare(fresh)
        fetch = replace(mirror, path=fresh).fetch_command(url)
        git.run_upstream(*fetch, subject=mirror.subject, repository=fresh, env=env)
        with locks.writing(mirror.path, subject=mirror.subject):
            _carry_over(mirror, fresh)
            _replace(mirror, fresh, grave=place)


def _carry_over(mirror: Mirror, fresh: Path) -> None:
    """Copy our refs, a revision's own tree before the tag of its release: a release without its tree is none."""
    lost: set[str] = set()
    for name, sha in sorted(_readable_refs(mirror.path).items(), key=lambda ref: not ref[0].startswith(tree.COMPOSED)):
        if name.startswith(_UPSTREAMS):
            continue
        if _commit(mirror.path, sha) not in lost and _copy_ref(mirror.path, fresh, name, sha):
            continue
        if name == _LIVE:
            raise StateError(
                f"{mirror.subject}: neither the damaged mirror nor upstream has live commit {sha}",
                hint=f"restore {mirror.path} from a backup",
                reason="MirrorDamaged",
            )
        if name.startswith(tree.COMPOSED):
            lost.add(name.removeprefix(tree.COMPOSED))
        log.warning("%s: %s could not be read any more", mirror.subject, name)


def _replace(mirror: Mirror, fresh: Path, *, grave: Path) -> None:
    damaged = mirror.path.with_suffix(pointer.DAMAGED)
    try:
        if damaged.exists():
            damaged.rename(grave / damaged.name)
        mirror.path.rename(damaged)
        fresh.rename(mirror.path)
    except OSError as error:
        raise StateError(
            f"{mirror.path} cannot be replaced: {error.strerror}", hint="free space, or check the permissions"
        ) from error


def _readable_refs(repository: Path) -> dict[str, str]:
    """Return the refs that can be read in a repository that may be damaged, as names and object names."""
    found = {}
    packed = repository / "packed-refs"
    if packed.exists():
        for line in packed.read_text(encoding="utf-8", errors="replace").splitlines():
            sha, _, name = line.partition(" ")
            if git.is_sha(sha) and name.startswith("refs/"):
                found[name] = sha
    for path in (repository / "refs").rglob("*"):
        if path.is_file():
            sha = path.read_text(encoding="utf-8", errors="replace").strip()
            if git.is_sha(sha):
                found[path.relative_to(repository).as_posix()] = sha
    return found


def _copy_ref(damaged: Path, fresh: Path, name: str, sha: str) -> bool:
    """Bring one ref with its objects from a damaged repository into another; tell whether it is there now.

    Raises ``StateError`` when it could be read, and still is not there.
    """
    with suppress(AirlockError):
        # A damaged mirror may be shallow.
        git.run(fresh, "fetch", "--quiet", "--no-tags", "--update-shallow", str(damaged), f"+{name}:{name}")
    if git.run(fresh, "cat-file", "-e", sha, check=False).status != 0:
        if git.run(damaged, "rev-list", "--objects", "--quiet", sha, check=False).status == 0:
            raise StateError(f"{name} could not be copied to {fresh}", hint="free space, or look at the disk")
        return False
    git.run(fresh, "update-ref", name, sha)
    return True


def _commit(damaged: Path, sha: str) -> str | None:
    """Return the commit that an object is or names, ``None`` where that cannot be read."""
    with suppress(AirlockError):
        return git.commit_of(damaged, sha)
    return None
