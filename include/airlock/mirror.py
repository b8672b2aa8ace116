"""The mirror of one source: upstream's refs, the records that must survive, and the locks of those who write.

Refs: ``refs/remotes/origin/*`` are upstream's branches and ``refs/upstream-tags/*`` its tags; ``refs/submodules/*`` and
``refs/trees/*`` belong to ``airlock.composition``; ``refs/heads/live`` and
``refs/tags/release/<n>`` belong to ``airlock.release``; ``refs/notes/verdicts`` holds a verdict per commit;
``refs/airlock/*`` are small JSON records (blobs), and ``refs/airlock/judged`` is the last commit of the followed
branch that a sync brought to its end.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from airlock import following, git, locks, pointer, refusal
from airlock.errors import CommandFailed, UpstreamError
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Verdict, dumps, from_json

log = logging.getLogger(__name__)

JUDGED = "refs/airlock/judged"
_UNDER = "judged-under"
_VERDICTS = "refs/notes/verdicts"
_NO_NOTE = ("no note found", "failed to resolve")  # the latter of a revision that is not here


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """The bare repository of one source. Reading needs no lock; writing happens inside ``locked()``."""

    path: Path
    source: Source

    @property
    def subject(self) -> str:
        """The source, as messages name it."""
        return f"source {self.source.name}"

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
            listed = git.run(self.path, "for-each-ref", "--format=%(refname)", following.TAGS).text.split()
            tags = {f"refs/tags/{tag.removeprefix(following.TAGS)}" for tag in listed}
            name = following.branch_or_tag(self.source, tags)
        return git.commit_of(self.path, following.here(name)) if name else None

    def judged_revision(self) -> str | None:
        """The last commit of the followed branch that a sync brought to its end."""
        return pointer.read(self.path, JUDGED)

    def resolve(self, ref: str) -> str:
        """Return the commit that a branch, tag or (abbreviated) commit of upstream means.

        Raises ``UpstreamError`` when upstream has no such ref.
        """
        git.check_ref_name(ref, subject=self.subject)
        for candidate in (f"{following.BRANCHES}{ref}", f"{following.TAGS}{ref}", ref if _is_hex(ref) else ""):
            commit = git.commit_of(self.path, candidate) if candidate else None
            if commit:
                return commit
        depth = self.source.depth
        shallow = f"; of {self.source.follows} only the newest {depth} commits were fetched, and of others none"
        raise UpstreamError(
            f"{self.subject}: upstream has no branch, tag or commit {ref!r}{shallow if depth else ''}",
            hint="raise depth, or leave it out" if depth else "push it first, or check the name",
            reason="RefMissing",
        )

    def read_verdict(self, revision: str) -> Verdict | None:
        """Return the newest verdict for a revision, ``None`` when there is none.

        One that is damaged counts as none: the revision is judged again, which replaces it; where that cannot be
        written either the sync makes the mirror again. Raises ``CommandFailed`` and ``CommandTimeout`` when git could
        not look.
        """
        if not self.exists():
            return None
        try:
            # Not ``notes show``: that reads files of ``live`` too.
            note = git.run(self.path, "notes", f"--ref={_VERDICTS}", "list", revision).text
            return from_json(json.loads(git.run(self.path, "cat-file", "blob", note).stdout))
        except CommandFailed as error:
            if error.status > 0 and any(words in error.stderr for words in _NO_NOTE):
                return None
            if error.status < 0 or not refusal.is_damage(error.stderr):
                raise
            log.warning("%s: the verdict on %s cannot be read any more: %s", self.subject, revision, error.stderr)
            return None
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

    def forget_judged(self) -> None:
        """Have the newest revision count as not judged, so that the watcher asks for a sync of it."""
        if self.judged_revision():
            git.move_refs(self.path, [f"delete {JUDGED}"])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the repository if need be, and keep every other writer but a fetch out for the time of the block.

        Raises ``TransientError`` when another process keeps the lock for ten minutes.
        """
        with locks.writing(self.path, subject=self.subject):
            self._prepare(is_fetching=False)
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """As ``locked``, and keep a fetch out too."""
        with locks.fetching(self.path, subject=self.subject), locks.writing(self.path, subject=self.subject):
            self._prepare(is_fetching=True)
            yield

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Make the repository if need be, and keep every other fetch out for the time of the block, but no writer."""
        with locks.fetching(self.path, subject=self.subject):
            with locks.writing(self.path, subject=self.subject):
                self._prepare(is_fetching=True)
            yield

    def _prepare(self, *, is_fetching: bool) -> None:
        damaged = self.path.with_suffix(pointer.DAMAGED)
        if not self.path.exists() and damaged.exists():  # a rebuild was killed between its two renames
            damaged.rename(self.path)
        git.init_bare(self.path)
        locks.remove_stale(self.path, is_fetching=is_fetching)

    def fetch(self, url: str, *, env: Mapping[str, str]) -> None:
        """Bring upstream's branches and tags into the mirror; those that upstream deleted go. Call it inside
        ``fetching()``.

        Raises ``UpstreamError``, ``CommandTimeout``, and ``StateError`` with reason ``MirrorDamaged``.
        """
        try:
            git.run_upstream(*self.fetch_command(url), subject=self.subject, repository=self.path, env=env)
        except UpstreamError as error:
            if error.reason != "RefMissing":  # which git says where one ref was asked for
                raise
            raise self._nothing_to_follow() from error
        if self.source.depth:
            self._forget_others()
        if self.upstream_revision() is None:
            raise self._nothing_to_follow()

    def fetch_command(self, url: str, *options: str) -> tuple[str, ...]:
        """Return the command of git that fetches what the source wants into a repository."""
        depth = (f"--depth={self.source.depth}",) if self.source.depth else ()
        if not self.source.depth and (self.path / "shallow").exists():  # it had a depth before
            depth = ("--unshallow",)
        common = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        return ("fetch", *common, *depth, *options, "--", url, *following.refspecs(self.source))

    def _forget_others(self) -> None:
        """Remove the branches and tags of upstream that a shallow source no longer fetches."""
        fetched = [specification.rpartition(":")[2] for specification in following.refspecs(self.source)]
        names = git.run(self.path, "for-each-ref", "--format=%(refname)", following.BRANCHES, following.TAGS).text
        others = [name for name in names.split() if not any(fnmatchcase(name, one) for one in fetched)]
        if others:
            git.move_refs(self.path, [f"delete {name}" for name in others])

    def _nothing_to_follow(self) -> UpstreamError:
        return UpstreamError(
            f"{self.subject}: upstream has no {self.source.follows}",
            hint="push it, or follow another one; what is live stays live",
            reason="RefMissing" if self.source.tag or self.source.commit else "BranchMissing",
        )


def time_of(record: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time of a record, in UTC where it names no zone; ``None`` where there is none that can be read.

    Another version of Airlock may have written it.
    """
    try:
        found = datetime.fromisoformat(str(record.get(name)))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def of(state: State, source: Source) -> Mirror:
    """Return the mirror of a source."""
    return Mirror(path=state.mirror(source.name), source=source)


def _is_hex(text: str) -> bool:
    return len(text) >= 7 and all(character in "0123456789abcdef" for character in text)
