"""What there is to tell: one event for each change of state of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from airlock.mirror import Mirror

RECORD = "notified"
Kind = Literal["rejected", "waiting", "published", "rolled-back", "recovered", "stalled", "not-picked-up"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_MOST_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Event:
    """A change of state. ``text`` is the whole message, for a person."""

    kind: Kind
    source: str
    revision: str
    release: int | None
    reason: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return the event as templates see it, as ``airlock``."""
        return asdict(self)


def of(mirror: Mirror, outcome: Mapping[str, Any]) -> Event | None:
    """Return what the outcome of a sync has to tell, ``None`` when that is nothing new."""
    last = mirror.read_record(RECORD) or {}
    kind = _kind(outcome, last.get("kind"))
    if kind is None or (last.get("kind"), last.get("revision")) == (kind, outcome["revision"]):
        return None
    lines = [*outcome["findings"], *outcome["changes"]]
    more = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    head = f"{mirror.source.name}: {kind} {outcome['revision'][:12]}: {outcome['message']}"
    return Event(
        kind=kind,
        source=mirror.source.name,
        revision=outcome["revision"],
        release=outcome["release"],
        reason=outcome["reason"],
        text="\n".join([head, *lines[:_MOST_LINES], *more]),
    )


def remember(mirror: Mirror, event: Event) -> None:
    """Record that an event is about to be told. A crash after it loses the message; none is told twice."""
    with mirror.locked():
        mirror.write_record(RECORD, {"kind": event.kind, "revision": event.revision})


def _kind(outcome: Mapping[str, Any], last: str | None) -> Kind | None:
    result = outcome["result"]
    if not outcome["revision"]:
        return None
    if result in ("rejected", "waiting"):
        return "rejected" if result == "rejected" else "waiting"
    if result == "published" and outcome["reason"] == "RolledBack":
        return "rolled-back"
    if result in ("published", "unchanged") and last == "rejected":
        return "recovered"
    return "published" if result == "published" else None
