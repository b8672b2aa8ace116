"""The mirror of one source: upstream's refs, the records that must survive, and the lock of those who write.

Refs: ``refs/remotes/origin/*`` are upstream's branches and ``refs/upstream-tags/*`` its tags; ``refs/heads/live`` and
``refs/tags/release/<n>`` belong to ``airlock.release``; ``refs/notes/verdicts`` holds a verdict per commit;
``refs/airlock/*`` are small JSON records (blobs), and ``refs/airlock/judged`` is the last commit of the followed
branch that a sync brought to its end.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airlock import following, git, pointer, scratch
from airlock.errors import AirlockError, StateError, TransientError, UpstreamError
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Verdict, dumps, from_json

log = logging.getLogger(__name__)

JUDGED = "refs/airlock/judged"
_UNDER = "judged-under"
_VERDICTS = "refs/notes/verdicts"
_TAGS = "refs/upstream-tags/"
_REFSPECS = ("+refs/heads/*:refs/remotes/origin/*", f"+refs/tags/*:{_TAGS}*")
_LOCK_WAIT_S = 600


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """The bare repository of one source. Reading needs no lock; writing happens inside ``locked()``."""

    path: Path
    source: Source

    def exists(self) -> bool:
        """Tell whether a sync has made the repository yet."""
        return (self.path / "HEAD").exists()

    def upstream_revision(self) -> str | None:
        """The commit of what is followed as it was fetched last."""
        if not self.exists():
            return None
        if self.source.commit:
            return git.commit_of(self.path, self.source.commit)
        name: str | None = f"refs/heads/{self.source.branch}"
        if self.source.tag:
            listed = git.run(self.path, "for-each-ref", "--format=%(refname)", _TAGS).text.split()
            name = following.branch_or_tag(self.source, {f"refs/tags/{tag.removeprefix(_TAGS)}" for tag in listed})
        if name is None:
            return None
        here = name.replace("refs/heads/", "refs/remotes/origin/", 1).replace("refs/tags/", _TAGS, 1)
        return git.commit_of(self.path, here)

    def judged_revision(self) -> str | None:
        """The last commit of the followed branch that a sync brought to its end."""
        return pointer.read(self.path, JUDGED)

    def resolve(self, ref: str) -> str:
        """Return the commit that a branch, tag or (abbreviated) commit of upstream means.

        Raises ``UpstreamError`` when upstream has no such ref.
        """
        git.check_ref_name(ref, subject=f"source {self.source.name}")
        for candidate in (f"refs/remotes/origin/{ref}", f"refs/upstream-tags/{ref}", ref if _is_hex(ref) else ""):
            commit = git.commit_of(self.path, candidate) if candidate else None
            if commit:
                return commit
        raise UpstreamError(
            f"source {self.source.name}: upstream has no branch, tag or commit {ref!r}",
            hint="push it first, or check the name",
            reason="RefMissing",
        )

    def read_verdict(self, revision: str) -> Verdict | None:
        """Return the newest verdict for a revision, ``None`` when there is none."""
        completed = git.run(self.path, "notes", f"--ref={_VERDICTS}", "show", revision, check=False)
        if completed.status != 0:
            return None
        try:
            return from_json(json.loads(completed.stdout))
        except ValueError:
            return None  # written by another version of Airlock: the revision is judged again

    def write_verdict(self, verdict: Verdict) -> None:
        """Keep the verdict; it replaces an older one for the same revision."""
        note = git.write_blob(self.path, dumps(verdict.to_json()).encode())
        git.run(self.path, "notes", f"--ref={_VERDICTS}", "add", "--force", "-C", note, verdict.revision)

    def read_record(self, name: str) -> dict[str, Any] | None:
        """Return the JSON record ``refs/airlock/<name>``, ``None`` when there is none."""
        if not self.exists():
            return None
        data = git.read_blob(self.path, f"refs/airlock/{name}")
        try:
            record = None if data is None else json.loads(data)
        except ValueError:
            return None  # a record that a crash of the machine left empty tells nothing
        return record if isinstance(record, dict) else None

    def write_record(self, name: str, record: Mapping[str, Any] | None) -> None:
        """Replace the JSON record ``refs/airlock/<name>``; ``None`` removes it."""
        if record is None:
            git.run(self.path, "update-ref", "-d", f"refs/airlock/{name}")
        else:
            git.run(self.path, "update-ref", f"refs/airlock/{name}", git.write_blob(self.path, dumps(record).encode()))

    def judged_under(self) -> dict[str, Any]:
        """The circumstances under which `judged_revision` was judged, and since when; empty where nobody told."""
        return self.read_record(_UNDER) or {}

    def mark_judged(self, revision: str, *, under: Mapping[str, str] | None = None) -> None:
        """Record that a sync brought ``revision`` of the followed branch to its end, and under which circumstances."""
        blob = git.write_blob(self.path, dumps(dict(under or {})).encode())
        git.move_refs(self.path, [f"update {JUDGED} {revision}", f"update refs/airlock/{_UNDER} {blob}"])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the repository if need be, and keep every other writer out for the time of the block.

        Raises ``TransientError`` when another process keeps the lock for ten minutes.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
        except OSError as error:
            raise StateError(
                f"source {self.source.name}: {error.filename} cannot be written: {error.strerror}",
                hint="the state directory must be writable for the user that runs tasks",
            ) from error
        try:
            _take(descriptor, self.source.name)
            self._put_back()
            git.init_bare(self.path)
            _remove_stale_locks(self.path)
            yield
        finally:
            os.close(descriptor)

    def _put_back(self) -> None:
        damaged = self.path.with_suffix(pointer.DAMAGED)
        if not self.path.exists() and damaged.exists():  # a rebuild was killed between its two renames
            damaged.rename(self.path)

    def fetch(self, url: str, *, env: Mapping[str, str]) -> None:
        """Bring upstream's branches and tags into the mirror; those that upstream deleted go. Call it inside
        ``locked()``.

        Raises ``UpstreamError``, ``CommandTimeout``, and ``StateError`` with reason ``MirrorDamaged``.
        """
        subject = f"source {self.source.name}"
        arguments = (
            "fetch",
            "--quiet",
            "--prune",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--",
            url,
            *_REFSPECS,
        )
        git.run_upstream(*arguments, subject=subject, repository=self.path, env=env)
        if self.upstream_revision() is None:
            raise UpstreamError(
                f"{subject}: upstream has no {self.source.follows}",
                hint="push it, or follow another one; what is live stays live",
                reason="RefMissing" if self.source.tag or self.source.commit else "BranchMissing",
            )

    def rebuild(self, url: str, *, env: Mapping[str, str]) -> None:
        """Make a damaged mirror again: upstream's refs from upstream, ours from the damaged one. Call it inside
        ``locked()``.

        The damaged repository stays beside it, as ``<name>.damaged``. Raises ``StateError`` when ``live`` cannot be
        carried over: it is never dropped. Steps, and what a crash after each leaves behind:

        1. staging: a folder that the next user of it removes; nothing has changed.
        2. aside: no mirror, and the damaged one beside it. Readers find ``live`` there; the next writer puts it back.
        3. rename: the mirror, whole.
        """
        damaged = self.path.with_suffix(pointer.DAMAGED)
        with scratch.directory(self.path.with_name(git.STAGING)) as place:
            fresh = place / self.path.name
            git.init_bare(fresh)
            arguments = ("fetch", "--quiet", "--no-tags", "--no-auto-maintenance", "--", url, *_REFSPECS)
            git.run_upstream(*arguments, subject=f"source {self.source.name}", repository=fresh, env=env)
            for name, sha in _readable_refs(self.path).items():
                if not name.startswith(("refs/remotes/", "refs/upstream-tags/")) and not _copy_ref(
                    self.path, fresh, name, sha
                ):
                    if name == "refs/heads/live":
                        raise StateError(
                            f"source {self.source.name}: neither the damaged mirror nor upstream has live commit {sha}",
                            hint=f"restore {self.path} from a backup",
                            reason="MirrorDamaged",
                        )
                    log.warning("source %s: %s could not be read any more", self.source.name, name)
            try:
                if damaged.exists():
                    damaged.rename(place / damaged.name)
                self.path.rename(damaged)
                fresh.rename(self.path)
            except OSError as error:
                raise StateError(
                    f"{self.path} cannot be replaced: {error.strerror}", hint="free space, or check the permissions"
                ) from error


def of(state: State, source: Source) -> Mirror:
    """Return the mirror of a source."""
    return Mirror(path=state.mirror(source.name), source=source)


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
        git.run(fresh, "fetch", "--quiet", "--no-tags", str(damaged), f"+{name}:{name}")
    if git.run(fresh, "cat-file", "-e", sha, check=False).status != 0:
        if git.run(damaged, "rev-list", "--objects", "--quiet", sha, check=False).status == 0:
            raise StateError(f"{name} could not be copied to {fresh}", hint="free space, or look at the disk")
        return False
    git.run(fresh, "update-ref", name, sha)
    return True


def _take(descriptor: int, name: str) -> None:
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TransientError(
                    f"source {name}: another process has been writing to the mirror for {_LOCK_WAIT_S} s",
                    hint="look for a hanging sync",
                    reason="MirrorBusy",
                ) from None
            time.sleep(0.05)


def _remove_stale_locks(path: Path) -> None:
    """Remove lock files of git that a killed process left: whoever holds our lock is the only writer."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/info/*.lock"):
        for lock in path.glob(pattern):
            lock.unlink(missing_ok=True)


def _is_hex(text: str) -> bool:
    return len(text) >= 7 and all(character in "0123456789abcdef" for character in text)
