"""Confirms a release: waits until Airflow's DAG processor has stored what it changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from airlock import release as releases
from airlock.errors import TransientError
from airlock.mirror import Mirror

RECORD = "confirmed"
_PAUSE_S = 0.25
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """When a release was seen in Airflow. ``publish_to_live_s`` counts from the publish, in seconds."""

    release: int
    revision: str
    confirmed_at: str
    publish_to_live_s: float


def is_confirmed(mirror: Mirror, number: int) -> bool:
    """Tell whether a release was the last one to be confirmed."""
    return (mirror.read_record(RECORD) or {}).get("release") == number


def confirm(
    mirror: Mirror,
    number: int,
    awaited: Iterable[str],
    *,
    stored_version: Callable[[str], str | None],
    timeout_s: float = 180,
) -> Confirmation | None:
    """Wait until every awaited DAG is stored under the release's revision, and record that.

    ``stored_version`` tells under which revision a DAG is stored. Returns ``None`` when a newer release has taken over.
    Raises ``TransientError`` when it takes longer than ``timeout_s`` seconds.
    """
    release = next(release for release in releases.history(mirror) if release.number == number)
    published = datetime.fromisoformat(release.published_at)
    missing = sorted(awaited)
    deadline = time.monotonic() + timeout_s
    while missing := [dag_id for dag_id in missing if stored_version(dag_id) != release.revision]:
        if releases.live_revision(mirror) != release.revision:
            return None
        if time.monotonic() > deadline:
            shown = ", ".join(missing[:_SHOWN]) + (
                f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            )
            raise TransientError(
                f"source {mirror.source.name}: release {number} is not in Airflow after {timeout_s:g} s: {shown}",
                hint="is the DAG processor running? Its log, and the import errors in the UI, tell more",
                reason="NotPickedUp",
            )
        time.sleep(_PAUSE_S)
    now = datetime.now(UTC)
    confirmation = Confirmation(
        release=number,
        revision=release.revision,
        confirmed_at=now.isoformat(timespec="milliseconds"),
        publish_to_live_s=round((now - published).total_seconds(), 3),
    )
    with mirror.locked():
        mirror.write_record(RECORD, asdict(confirmation))
    return confirmation
