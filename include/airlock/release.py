"""Releases: the one module that moves ``live``, and the history it writes.

A publish is one git transaction: ``refs/heads/live`` moves from the value that was expected, and the annotated tag
``refs/tags/release/<n>`` comes into being. Both happen, or neither. Release tags keep every published commit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from airlock import git
from airlock.errors import CommandFailed
from airlock.mirror import Mirror
from airlock.verdict import Changes, Verdict, dumps

LIVE = "refs/heads/live"
_TAGS = "refs/tags/release"
_FORMAT = "%(refname)%00%(*objectname)%00%(contents)%00%00"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One publish. ``published_at`` is an ISO 8601 time in UTC; ``previous`` is the revision that was live before."""

    number: int
    revision: str
    previous: str | None
    published_at: str
    who: str
    why: str
    summary: str
    changes: tuple[str, ...]
    environment: str


def live_revision(mirror: Mirror) -> str | None:
    """Return the commit that Airflow is being given, ``None`` before the first release."""
    return git.commit_of(mirror.path, LIVE) if mirror.exists() else None


def publish(
    mirror: Mirror, verdict: Verdict, *, expected: str | None, who: str, why: str, changes: Changes
) -> Release | None:
    """Make the revision of a passed verdict live. Call it inside ``mirror.locked()``.

    ``expected`` is the revision that was live when the decision was taken. Returns the release, or ``None`` when
    something else has become live in between: the caller decides again. Crash safety: before the transaction nothing
    has happened but loose objects that no ref names; after it the release is complete.
    """
    if verdict.result != "passed":
        raise ValueError(f"revision {verdict.revision} has not passed, it is {verdict.result}")
    if live_revision(mirror) != expected:
        return None
    newest = history(mirror, limit=1)
    release = Release(
        number=newest[0].number + 1 if newest else 1,
        revision=verdict.revision,
        previous=expected,
        published_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        who=who,
        why=why,
        summary=verdict.summary,
        changes=changes.lines,
        environment=verdict.environment,
    )
    tag = _write_tag(mirror, release)
    move = f"update {LIVE} {release.revision} {expected}" if expected else f"create {LIVE} {release.revision}"
    try:
        git.move_refs(mirror.path, [move, f"create {_TAGS}/{release.number} {tag}"])
    except CommandFailed:
        if live_revision(mirror) != expected:
            return None
        raise
    return release


def history(mirror: Mirror, *, limit: int | None = None) -> list[Release]:
    """Return the releases of a source, the newest first."""
    if not mirror.exists():
        return []
    count = [f"--count={limit}"] if limit else []
    listed = git.run(
        mirror.path, "for-each-ref", "--sort=-version:refname", *count, f"--format={_FORMAT}", f"{_TAGS}/"
    ).stdout
    releases = []
    for entry in listed.decode("utf-8", "replace").split("\0\0"):
        fields = entry.strip("\n").split("\0")
        if len(fields) == 3:
            releases.append(_parse(fields[2]))
    return releases


def of_revision(mirror: Mirror, revision: str) -> Release | None:
    """Return the newest release of a revision, ``None`` when it was never published."""
    return next((release for release in history(mirror) if release.revision == revision), None)


def is_published(mirror: Mirror, revision: str) -> bool:
    """Tell whether a revision was ever made live."""
    tags = git.run(
        mirror.path, "for-each-ref", f"--points-at={revision}", "--format=%(refname)", f"{_TAGS}/", check=False
    )
    return tags.status == 0 and bool(tags.text)


def _write_tag(mirror: Mirror, release: Release) -> str:
    record = asdict(release)
    subject = f"release {release.number}: {release.summary}"
    header = (
        f"object {release.revision}\ntype commit\ntag release/{release.number}\n"
        f"tagger Airlock <airlock@localhost> {int(time.time())} +0000"
    )
    body = f"{header}\n\n{subject}\n\n{dumps(record)}\n"
    return git.run(mirror.path, "mktag", stdin=body.encode()).text


def _parse(message: str) -> Release:
    record: Mapping[str, Any] = json.loads(message.split("\n\n", 1)[1])
    return Release(**{**record, "changes": tuple(record["changes"])})
