"""What the supervisor of a deployment is doing: a record that it keeps current and everybody may read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from airlock.embedded import leftovers
from airlock.embedded.layout import Layout


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One component: ``pid`` is ``None`` while it is down, ``failures`` counts its ends since it last was stable."""

    name: str
    pid: int | None
    failures: int
    last_exit: str


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """The supervisor's process and what it does: ``preparing``, ``running``, ``stopping`` or ``failed``.

    ``started_at`` is in seconds since the epoch; ``create_time`` tells the process from a later one with the same pid.
    """

    pid: int
    create_time: float
    started_at: float
    phase: str
    message: str = ""
    components: tuple[Watched, ...] = ()

    def is_alive(self) -> bool:
        """Tell whether the supervisor still runs."""
        return leftovers.is_same(self.pid, self.create_time)


def read(layout: Layout) -> Supervision | None:
    """Return the record, ``None`` when there is none or a crash left it unreadable."""
    try:
        values = json.loads(layout.supervision.read_text("utf-8"))
        components = tuple(Watched(**watched) for watched in values.pop("components"))
        return Supervision(**values, components=components)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def running(layout: Layout) -> Supervision | None:
    """Return the record of the supervisor that runs now, ``None`` when none does."""
    record = read(layout)
    return record if record is not None and record.is_alive() else None


def write(layout: Layout, record: Supervision) -> None:
    """Replace the record; a reader sees the old one or the new one."""
    beside = layout.supervision.with_name(f".{layout.supervision.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(asdict(record)), "utf-8")
    beside.rename(layout.supervision)
