"""The hold of a source: automatic publishing is stopped until somebody resumes it. Revisions are still judged."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from airlock import git, pointer, refusal
from airlock.errors import CommandFailed
from airlock.mirror import JUDGED, Mirror
from airlock.verdict import dumps

RECORD = "hold"
REF = f"refs/airlock/{RECORD}"


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Who put a source on hold, why, and since when (ISO 8601, UTC; empty where that is not known)."""

    who: str
    why: str
    since: str

    def __str__(self) -> str:
        since = f" since {self.since[:19]}Z" if self.since else ""
        return f"on hold{since} by {self.who}" + (f": {self.why}" if self.why else "")

    def line(self, mirror: Mirror) -> str:
        """Return the line of ``git.move_refs`` that puts the source on hold; its blob is written already."""
        _mend(mirror)
        return f"update {REF} {git.write_blob(mirror.path, dumps(asdict(self)).encode())}"


DAMAGED = Hold(who="unknown", why="the record of the hold was damaged", since="")


def new(who: str, why: str) -> Hold:
    """Return a hold that begins now."""
    return Hold(who=who, why=why, since=datetime.now(UTC).isoformat(timespec="seconds"))


def read(mirror: Mirror) -> Hold | None:
    """Return the hold of a source, ``None`` when publishing goes on by itself.

    A record that an older or newer Airlock wrote holds too, with what is known of it, and one that cannot be read any
    more as `DAMAGED`. Raises ``CommandFailed`` and ``CommandTimeout`` when git could not look.
    """
    try:
        record = mirror.read_record(RECORD)
    except CommandFailed as error:
        if error.status < 0 or not refusal.is_damage(error.stderr):
            raise
        record = None
    if record:
        return Hold(**{field.name: str(record.get(field.name, "")) for field in fields(Hold)})
    return DAMAGED if is_there(mirror.path) else None


def is_there(repository: Path) -> bool:
    """Tell whether there is a hold in a repository, whatever state its record and its ref are in."""
    return _is_broken(repository) or pointer.read(repository, REF) is not None


def _is_broken(repository: Path) -> bool:
    try:
        return not git.is_sha((repository / REF).read_text(encoding="ascii", errors="replace").strip())
    except FileNotFoundError:
        return False


def _mend(mirror: Mirror) -> None:
    """Give a ref whose file is damaged, which git neither moves nor deletes, a record to point to."""
    if _is_broken(mirror.path):
        file = mirror.path / REF
        beside = file.with_name(f"{file.name}.lock")  # the next writer removes what a crash leaves
        beside.write_text(git.write_blob(mirror.path, dumps(asdict(DAMAGED)).encode()) + "\n", encoding="ascii")
        beside.replace(file)


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
        _mend(mirror)
        judged = [f"delete {JUDGED}"] if mirror.judged_revision() else []
        git.move_refs(mirror.path, [f"delete {REF}", *judged])
    return present
