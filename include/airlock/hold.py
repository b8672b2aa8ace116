"""The hold of a source: automatic publishing is stopped until somebody resumes it. Revisions are still judged."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from airlock import git
from airlock.mirror import JUDGED, Mirror
from airlock.verdict import dumps

RECORD = "hold"
_REF = f"refs/airlock/{RECORD}"


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Who put a source on hold, why, and since when (ISO 8601, UTC)."""

    who: str
    why: str
    since: str

    def __str__(self) -> str:
        return f"on hold since {self.since[:19]}Z by {self.who}" + (f": {self.why}" if self.why else "")

    def line(self, mirror: Mirror) -> str:
        """Return the line of ``git.move_refs`` that puts the source on hold; its blob is written already."""
        return f"update {_REF} {git.write_blob(mirror.path, dumps(asdict(self)).encode())}"


def new(who: str, why: str) -> Hold:
    """Return a hold that begins now."""
    return Hold(who=who, why=why, since=datetime.now(UTC).isoformat(timespec="seconds"))


def read(mirror: Mirror) -> Hold | None:
    """Return the hold of a source, ``None`` when publishing goes on by itself.

    A record that an older or newer Airlock wrote holds too, with what is known of it.
    """
    record = mirror.read_record(RECORD)
    return Hold(**{field.name: str(record.get(field.name, "")) for field in fields(Hold)}) if record else None


def put(mirror: Mirror, hold: Hold) -> Hold:
    """Put a source on hold and return the hold that is there now: an older one stays, with who and why. Call it inside
    ``mirror.locked()``.
    """
    if present := read(mirror):
        return present
    git.move_refs(mirror.path, [hold.line(mirror)])
    return hold


def remove(mirror: Mirror) -> Hold | None:
    """End the hold and return it, ``None`` when there was none. Call it inside ``mirror.locked()``.

    In the same transaction the newest revision counts as not judged, so that the watcher asks for a sync if the caller
    does not come to its own.
    """
    present = read(mirror)
    if present:
        judged = [f"delete {JUDGED}"] if mirror.judged_revision() else []
        git.move_refs(mirror.path, [f"delete {_REF}", *judged])
    return present
