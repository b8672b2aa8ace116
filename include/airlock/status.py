"""What is live, what upstream has, and how the last sync went: read from the state alone, running deployment or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airlock import approval, confirm, hold as holds, mirror as mirrors, release as releases, sync
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Live:
    """The release that Airflow is being given; ``confirmed``: its DAG processor was seen to have it.

    ``fails`` has the summary of its newest verdict when it no longer passes, which a new environment can bring about.
    """

    release: int
    revision: str
    published_at: str
    confirmed: bool
    fails: str


@dataclass(frozen=True, kw_only=True)
class LastSync:
    """How the last sync ended."""

    at: str
    result: str
    reason: str
    message: str
    revision: str | None


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """One source: what it follows and its commit as fetched last, what is live, how the last sync went, the hold, the
    question that waits for a person.
    """

    name: str
    ref: str
    upstream_revision: str | None
    live: Live | None
    last_verdict: Verdict | None
    last_sync: LastSync | None
    hold: Mapping[str, Any] | None
    question: approval.Question | None

    def to_json(self) -> dict[str, Any]:
        """Return the status as the JSON document that scripts read."""
        verdict = self.last_verdict.to_json() if self.last_verdict else None
        return {
            "name": self.name,
            "upstream": {"ref": self.ref, "revision": self.upstream_revision},
            "live": asdict(self.live) if self.live else None,
            "last_verdict": verdict
            and {key: verdict[key] for key in ("revision", "result", "judged_at", "duration_s", "findings")},
            "last_sync": asdict(self.last_sync) if self.last_sync else None,
            "hold": self.hold,
            "question": asdict(self.question) if self.question else None,
        }


def read_source(state: State, source: Source) -> SourceStatus:
    """Return the status of one source."""
    mirror = mirrors.of(state, source)
    record = mirror.read_record(sync.RECORD)
    last = _last_sync(record) if record else None
    upstream = mirror.upstream_revision()
    hold = holds.read(mirror)
    judged = (last.revision if last else None) or mirror.judged_revision()
    return SourceStatus(
        name=source.name,
        ref=source.ref,
        upstream_revision=upstream,
        live=_live(mirror),
        last_verdict=mirror.read_verdict(judged) if judged else None,
        last_sync=last,
        hold=asdict(hold) if hold else None,
        question=_question(mirror),
    )


def _question(mirror: mirrors.Mirror) -> approval.Question | None:
    question = approval.read(mirror)
    return question if question and approval.is_current(mirror, question) else None


def _live(mirror: mirrors.Mirror) -> Live | None:
    revision = releases.live_revision(mirror)
    newest = releases.history(mirror, limit=1)
    if revision is None or not newest:
        return None
    release = newest[0]
    verdict = mirror.read_verdict(revision)
    return Live(
        release=release.number,
        revision=revision,
        published_at=release.published_at,
        confirmed=confirm.is_confirmed(mirror, release.number),
        fails=verdict.summary if verdict and verdict.result != "passed" else "",
    )


def _last_sync(record: Mapping[str, Any]) -> LastSync:
    return LastSync(
        at=record["at"],
        result=record["result"],
        reason=record["reason"],
        message=record["message"],
        revision=record["revision"],
    )
