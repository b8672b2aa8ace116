"""Confirms a release: waits until Airflow's DAG processor has stored what it changed, as the verdict saw it.

A parse that is under way when the release switches is stored under the new version with the old structure: Airflow
reads the version when it collects the result. So the structure is compared too, and what differs is parsed again
(docs/decisions/0050-the-dag-processor-is-asked.md).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from airlock import enquiry, expectation, release as releases
from airlock.enquiry import Question
from airlock.errors import TransientError
from airlock.expectation import Expected, Watch
from airlock.mirror import Mirror
from airlock.release import Release
from airlock.verdict import Verdict

log = logging.getLogger(__name__)

RECORD = "confirmed"
_PAUSE_S = 0.25
_SHOWN = 10
_TELL_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait, in seconds: ``silent_s`` for a DAG processor that says nothing of the release, ``stalled_s``
    for one that does and stores none of the DAGs that are missing, from when it speaks (again). Airflow kills a parse
    after 50 s.
    """

    silent_s: float = 180
    stalled_s: float = 120


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """When a release was in Airflow (``live_at``), and when that was seen; ISO 8601 times in UTC. ``publish_to_live_s``
    counts from the publish, in seconds.

    ``differing`` are DAGs whose file gave something else in the DAG processor than while it was judged, as one does
    that reads a variable or the clock.
    """

    release: int
    revision: str
    confirmed_at: str
    live_at: str
    publish_to_live_s: float
    differing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A release that is worse in Airflow than its verdict promised; ``faults`` says how, one line each."""

    release: int
    revision: str
    faults: tuple[str, ...]


def is_confirmed(mirror: Mirror, number: int) -> bool:
    """Tell whether a release was the last one to be confirmed."""
    return (mirror.read_record(RECORD) or {}).get("release") == number


def ask(folder: Path, verdict: Verdict, awaited: Iterable[str], live: Verdict | None) -> None:
    """Prepare the DAG processor for a release that is about to be published: what it changes is parsed first.

    ``live`` is the verdict of what is live until then. New files need no asking, Airflow parses them first by itself.
    """
    expected = expectation.of(verdict, awaited, live)
    parse = {one.file: int(one.was_there) for one in expected.values()}
    enquiry.forget(folder)
    enquiry.ask(folder, Question(revision=verdict.revision, dags=tuple(expected), parse=parse))


def confirm(
    folder: Path,
    mirror: Mirror,
    number: int,
    awaited: Iterable[str],
    *,
    patience: Patience | None = None,
) -> Confirmation | Regression | None:
    """Wait until every awaited DAG is stored under the release's revision with the structure of its verdict, and record
    that. ``folder`` is where task and DAG processor meet (``airlock.enquiry``).

    Returns ``None`` when another release has taken over. Raises ``TransientError`` when the DAG processor says nothing
    for too long.
    """
    release = next(release for release in releases.history(mirror) if release.number == number)
    verdict = mirror.read_verdict(release.revision)
    before = mirror.read_verdict(release.previous) if release.previous else None
    expected = expectation.of(verdict, awaited, before) if verdict else {}
    watch = Watch(expected=expected, pending=dict(expected))
    watch.parse = _asked_before(folder, release, expected)
    result = _wait(folder, mirror, release, watch, patience or Patience())
    enquiry.close(folder, release.revision)
    if isinstance(result, Confirmation):
        with mirror.locked():
            mirror.write_record(RECORD, asdict(result))
    return result


def _wait(
    folder: Path, mirror: Mirror, release: Release, watch: Watch, patience: Patience
) -> Confirmation | Regression | None:
    heard_at = moved_at = time.monotonic()
    told = _Progress(total=len(watch.expected))
    newest = ""
    while True:
        answer = enquiry.answered(folder)
        now = time.monotonic()
        if answer and answer.revision == release.revision and answer.at != newest:
            was_silent = not newest or now - heard_at > patience.stalled_s / 4
            newest, heard_at, before = answer.at, now, len(watch.pending)
            watch.take(answer)
            moved_at = now if was_silent or len(watch.pending) < before else moved_at
            told.tell(watch)
            if watch.faults:
                return Regression(release=release.number, revision=release.revision, faults=tuple(watch.faults))
            if not watch.pending:
                return _confirmation(release, watch)
        if releases.live_revision(mirror) != release.revision:
            return None
        _keep_asking(folder, release, watch)
        if now - heard_at > patience.silent_s:
            raise _not_picked_up(mirror, release, watch, patience.silent_s)
        if newest and now - moved_at > patience.stalled_s and now - heard_at < patience.stalled_s / 4:
            return _stalled(release, watch)
        time.sleep(_PAUSE_S)


def _keep_asking(folder: Path, release: Release, watch: Watch) -> None:
    """Write the question where it is missing, runs out, or has grown."""
    asked = enquiry.asked(folder)
    wanted = Question(revision=release.revision, dags=tuple(watch.expected), parse=dict(watch.parse))
    if asked != wanted:
        enquiry.ask(folder, wanted)


def _asked_before(folder: Path, release: Release, expected: Mapping[str, Expected]) -> dict[str, int]:
    asked = enquiry.asked(folder)
    if asked is not None and asked.revision == release.revision:
        return dict(asked.parse)
    enquiry.forget(folder)
    return {one.file: 1 for one in expected.values()}


def _confirmation(release: Release, watch: Watch) -> Confirmation:
    for dag_id in watch.differing:
        log.warning(
            "DAG %s is not stored as it was judged: its file builds another DAG each time or reads something that has "
            "changed, or it has deadlines, which Airflow stores in another form",
            dag_id,
        )
    now = datetime.now(UTC)
    live_at = datetime.fromisoformat(watch.live_at) if watch.live_at else now
    published = datetime.fromisoformat(release.published_at)
    return Confirmation(
        release=release.number,
        revision=release.revision,
        confirmed_at=now.isoformat(timespec="milliseconds"),
        live_at=live_at.isoformat(timespec="milliseconds"),
        publish_to_live_s=round(max(0.0, (live_at - published).total_seconds()), 3),
        differing=tuple(watch.differing),
    )


def _stalled(release: Release, watch: Watch) -> Regression:
    faults = [
        f"{one.file}: the DAG processor has not stored DAG {dag_id}; its import may crash or hang there"
        for dag_id, one in watch.pending.items()
    ]
    return Regression(release=release.number, revision=release.revision, faults=tuple(faults))


def _not_picked_up(mirror: Mirror, release: Release, watch: Watch, waited_s: float) -> TransientError:
    return TransientError(
        f"source {mirror.source.name}: the DAG processor says nothing of release {release.number} after "
        f"{waited_s:g} s: {_listed(sorted(watch.pending))}",
        hint="is the DAG processor running, and does it see the same state directory? Its log tells more",
        reason="NotPickedUp",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


@dataclass(kw_only=True)
class _Progress:
    """Tells the log how far it is, not more often than every few seconds."""

    total: int
    at: float = field(default_factory=time.monotonic)

    def tell(self, watch: Watch) -> None:
        if watch.pending and time.monotonic() - self.at > _TELL_S:
            self.at = time.monotonic()
            done = self.total - len(watch.pending)
            log.info("%d of %d DAGs are stored; missing: %s", done, self.total, _listed(sorted(watch.pending)))
