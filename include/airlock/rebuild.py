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

from airlock import following, git, hold as holds, locks, pointer, refusal, scratch, tree
from airlock.errors import AirlockError, CommandFailed, StateError
from airlock.mirror import Mirror

log = logging.getLogger(__name__)

_LIVE = "refs/heads/live"
_UPSTREAMS = (following.BRANCHES, following.TAGS, "refs/submodules/")


def is_due(mirror: Mirror, error: AirlockError) -> bool:
    """Tell whether an error means that the mirror is damaged: a fetch that says so, or git that cannot read it."""
    if isinstance(error, CommandFailed):
        return f" --git-dir={mirror.path} " in error.message and refusal.is_damage(error.stderr)
    return error.reason == "MirrorDamaged"


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
            swap(mirror, fresh, grave=place)


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
    if (mirror.path / _LIVE).exists() and not pointer.live(fresh):  # the ref alone is damaged
        _restore_live(mirror, fresh)
    if holds.is_there(mirror.path) and not holds.is_there(fresh):
        git.move_refs(fresh, [holds.DAMAGED.line(replace(mirror, path=fresh))])


def _restore_live(mirror: Mirror, fresh: Path) -> None:
    newest = ("for-each-ref", "--sort=-version:refname", "--count=1", "--format=%(*objectname)", "refs/tags/release/")
    sha = git.run(fresh, *newest).text
    if not sha:
        raise StateError(
            f"{mirror.subject}: the damaged mirror tells neither what is live nor a release",
            hint=f"restore {mirror.path} from a backup",
            reason="MirrorDamaged",
        )
    git.move_refs(fresh, [f"create {_LIVE} {sha}"])
    log.warning("%s: what is live was read from the newest release: %s", mirror.subject, sha)


def swap(mirror: Mirror, fresh: Path, *, grave: Path) -> None:
    """Put a fresh repository in the place of a damaged one, which stays beside it; one from before goes to ``grave``.

    Call it as the one who writes. Raises ``StateError`` when the disk refuses.
    """
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
            name = path.relative_to(repository).as_posix()
            found.pop(name, None)  # what was packed before is older
            if git.is_sha(sha):
                found[name] = sha
    return found


def _copy_ref(damaged: Path, fresh: Path, name: str, sha: str) -> bool:
    """Bring one ref with its objects from a damaged repository into another; tell whether it is there now.

    Raises ``StateError`` when it could be read, and still is not there.
    """
    with suppress(AirlockError):
        # A damaged mirror may be shallow.
        git.run(fresh, "fetch", "--quiet", "--no-tags", "--update-shallow", str(damaged), f"+{name}:{name}")
    if git.run(fresh, "cat-file", "-e", sha, check=False).status != 0:
        try:
            _copy_objects(damaged, fresh, sha)
        except CommandFailed as error:
            is_lost = error.status > 0 and refusal.is_damage(error.stderr)
            if is_lost or git.run(damaged, "rev-list", "--objects", "--quiet", sha, check=False).status != 0:
                return False
            raise StateError(
                f"{name} could not be copied to {fresh}", hint="free space, or look at the disk"
            ) from error
    git.run(fresh, "update-ref", name, sha)
    return True


def _copy_objects(damaged: Path, fresh: Path, sha: str) -> None:
    """Copy what an object needs and the fresh repository lacks.

    A fetch reads all refs of the damaged repository and what upstream has too, so it fails where any of that is
    damaged. Here git reads the objects of both as one, the fresh ones first.
    """
    both = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(damaged / "objects")}
    present = git.run(fresh, "for-each-ref", "--format=^%(objectname)").text
    wanted = f"{sha}\n{present}\n".encode()
    pack = git.run(fresh, "pack-objects", "--quiet", "--revs", "--stdout", stdin=wanted, env=both).stdout
    git.run(fresh, "index-pack", "--stdin", stdin=pack)


def _commit(damaged: Path, sha: str) -> str | None:
    """Return the commit that an object is or names, ``None`` where that cannot be read."""
    with suppress(AirlockError):
        return git.commit_of(damaged, sha)
    return None
