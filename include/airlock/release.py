"""Releases: the one module that moves ``live``, and the history it writes.

A publish is one git transaction: ``refs/heads/live`` moves from the value that was expected, and the annotated tag
``refs/tags/release/<n>`` comes into being. Both happen, or neither; a rollback's hold is part of it too. Release tags
keep every published commit. Where the source has a release repository the release is pushed there first
(``airlock.agreement``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

from airlock import credentials, git, release_repository, tree
from airlock.errors import CommandFailed
from airlock.hold import Hold
from airlock.mirror import Mirror
from airlock.pointer import LIVE
from airlock.release_repository import RELEASES
from airlock.verdict import Changes, Verdict, dumps

Kind = Literal["release", "rollback", "approved"]

_FORMAT = "%(refname)%00%(*objectname)%00%(contents)%00%00"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One publish. ``published_at`` is an ISO 8601 time in UTC; ``previous`` is the revision that was live before.

    ``who`` is an Airflow user, ``poll``, ``webhook`` or ``airlock``. ``environment`` is the digest under which the
    revision was judged, ``lock`` the sha256 of the ``pylock.toml`` that was published then; empty when there was none.
    ``of`` is the number of the release that a rollback published again, ``subdir`` the folder of the revision that
    holds the DAG files; ``None``: it was not recorded.
    """

    number: int
    revision: str
    previous: str | None
    published_at: str
    who: str
    why: str
    summary: str
    changes: tuple[str, ...]
    environment: str
    kind: Kind = "release"
    lock: str = ""
    of: int | None = None
    subdir: str | None = None


def live_revision(mirror: Mirror) -> str | None:
    """Return the commit that Airflow is being given, ``None`` before the first release."""
    return git.commit_of(mirror.path, LIVE) if mirror.exists() else None


def publish(
    mirror: Mirror,
    verdict: Verdict,
    *,
    expected: str | None,
    who: str,
    why: str,
    changes: Changes,
    kind: Kind = "release",
    lock: str = "",
) -> Release | None:
    """Make the revision of a passed verdict live. Call it inside ``mirror.locked()``.

    ``expected`` is the revision that was live when the decision was taken. Returns the release, or ``None`` when
    something else has become live in between: the caller decides again. Crash safety: before the transaction nothing
    has happened but loose objects that no ref names; after it the release is complete.
    """
    if verdict.result != "passed":
        raise ValueError(f"revision {verdict.revision} has not passed, it is {verdict.result}")
    release = Release(
        number=_next_number(mirror),
        revision=verdict.revision,
        previous=expected,
        published_at=_now(),
        who=who,
        why=why,
        summary=verdict.summary,
        changes=changes.lines,
        environment=verdict.environment,
        kind=kind,
        lock=lock,
        subdir=verdict.subdir,
    )
    return release if _move(mirror, release, []) else None


def publish_again(
    mirror: Mirror,
    target: Release,
    *,
    expected: str,
    hold: Hold,
    changes: Changes,
    lock: str = "",
) -> Release | None:
    """Make the revision of an earlier release live again and put the source on hold, both or neither. Call it inside
    ``mirror.locked()``.

    The verdict is that of the earlier release: a rollback judges nothing. Who and why are those of the hold. Returns
    ``None`` when something else than ``expected`` is live.
    """
    release = Release(
        number=_next_number(mirror),
        revision=target.revision,
        previous=expected,
        published_at=_now(),
        who=hold.who,
        why=hold.why,
        summary=target.summary,
        changes=changes.lines,
        environment=target.environment,
        kind="rollback",
        lock=lock,
        of=target.number,
        subdir=target.subdir,
    )
    return release if _move(mirror, release, [hold.line(mirror)]) else None


def adopt(mirror: Mirror, refs: Mapping[str, str]) -> list[Release]:
    """Take over releases that were made elsewhere, whose objects are here: refs of their tags and composed trees, and
    the objects that they name. Call it inside ``mirror.locked()``.

    The newest release becomes live; where that is a rollback the source is on hold, as after one that was made here.
    All of it happens, or nothing. Returns the releases, the newest first.
    """
    tags = [sha for name, sha in refs.items() if name.startswith(RELEASES)]
    adopted = sorted((_read_tag(mirror, sha) for sha in tags), key=lambda one: one.number, reverse=True)
    lines = [f"update {name} {sha}" for name, sha in refs.items()]
    known = history(mirror, limit=1)
    if adopted and (not known or known[0].number < adopted[0].number):
        newest = adopted[0]
        lines.append(f"update {LIVE} {newest.revision}")
        if newest.kind == "rollback":
            lines.append(Hold(who=newest.who, why=newest.why, since=newest.published_at).line(mirror))
    git.move_refs(mirror.path, lines)
    return adopted


def refs(mirror: Mirror) -> dict[str, str]:
    """Return the refs that make up what was released, ``live`` and composed trees among them, and their objects."""
    names = (LIVE, RELEASES, tree.COMPOSED)
    listed = git.run(mirror.path, "for-each-ref", "--format=%(refname) %(objectname)", *names).text
    found = dict(line.split(" ") for line in listed.splitlines())
    own = {f"{tree.COMPOSED}{revision}" for revision in published(mirror)}
    return {name: sha for name, sha in found.items() if not name.startswith(tree.COMPOSED) or name in own}


def history(mirror: Mirror, *, limit: int | None = None) -> list[Release]:
    """Return the releases of a source, the newest first."""
    if not mirror.exists():
        return []
    count = [f"--count={limit}"] if limit else []
    listed = git.run(
        mirror.path, "for-each-ref", "--sort=-version:refname", *count, f"--format={_FORMAT}", RELEASES
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


def told(release: Release) -> str:
    """Return who made a release and why, and what it is if it is no ordinary one, for a person."""
    kinds = {"release": "", "approved": "approved by ", "rollback": f"rollback to release {release.of} by "}
    return f"{kinds[release.kind]}{release.who}" + (f": {release.why}" if release.why else "")


def is_published(mirror: Mirror, revision: str) -> bool:
    """Tell whether a revision ever was a release.

    Raises ``CommandFailed`` when the releases cannot be read: no answer is not *no*.
    """
    return revision in published(mirror)


def published(mirror: Mirror) -> frozenset[str]:
    """Return every revision that ever was a release. Raises ``CommandFailed`` when they cannot be read."""
    if not mirror.exists():
        return frozenset()
    return frozenset(git.run(mirror.path, "for-each-ref", "--format=%(*objectname)", RELEASES).text.split())


def _move(mirror: Mirror, release: Release, also: list[str]) -> bool:
    if live_revision(mirror) != release.previous:
        return False
    tag = _write_tag(mirror, release)
    old = release.previous
    move = f"update {LIVE} {release.revision} {old}" if old else f"create {LIVE} {release.revision}"
    tag_ref = f"{RELEASES}{release.number}"
    if mirror.source.has_release_repository:
        composed = tree.composed(mirror.path, release.revision)
        own = {f"{tree.COMPOSED}{release.revision}": composed} if composed else {}
        _push(mirror, release, {**own, tag_ref: tag, LIVE: release.revision})
    try:
        git.move_refs(mirror.path, [move, f"create {tag_ref} {tag}", *also])
    except CommandFailed:
        if live_revision(mirror) != old:
            return False
        raise
    return True


def _push(mirror: Mirror, release: Release, wanted: Mapping[str, str]) -> None:
    """Push a release to the release repository, which has to stand at the release before it.

    ``live`` alone does not tell that: it may have been moved to the same revision by another release.
    """
    before = refs(mirror)
    last = f"{RELEASES}{release.number - 1}"
    known = {name: before[name] for name in (LIVE, last, f"{tree.COMPOSED}{release.revision}") if name in before}
    source = mirror.source
    with credentials.release_access(source) as access:
        release_repository.push(mirror.path, source, access, {**known, **wanted}, expected=known)


def _next_number(mirror: Mirror) -> int:
    newest = history(mirror, limit=1)
    return newest[0].number + 1 if newest else 1


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _write_tag(mirror: Mirror, release: Release) -> str:
    record = asdict(release)
    subject = f"release {release.number}: {release.summary}"
    header = (
        f"object {release.revision}\ntype commit\ntag release/{release.number}\n"
        f"tagger Airlock <airlock@localhost> {int(time.time())} +0000"
    )
    body = f"{header}\n\n{subject}\n\n{dumps(record)}\n"
    return git.run(mirror.path, "mktag", stdin=body.encode()).text


def _read_tag(mirror: Mirror, sha: str) -> Release:
    return _parse(git.run(mirror.path, "cat-file", "tag", sha).text.split("\n\n", 1)[1])


def _parse(message: str) -> Release:
    """Return the release of a tag's message, also of one that an older or newer Airlock wrote."""
    record: Mapping[str, Any] = json.loads(message.split("\n\n", 1)[1])
    known = {field.name for field in fields(Release)}
    return Release(**{**{key: record[key] for key in record if key in known}, "changes": tuple(record["changes"])})
