"""Records that an older or newer Airlock wrote stop nothing: what is known of them counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import approval, hold, watchdog
from airlock.approval import Question
from airlock.mirror import Mirror

Fetch = Callable[[], str | None]
QUESTION = Question(revision="a", live=None, head="a", objections=("removes all",), asked_at="2026-01-01", why="push")


@pytest.fixture(autouse=True)
def fetched(upstream: Upstream, fetch: Fetch) -> str:
    """A mirror that has one commit."""
    revision = upstream.push({"a.py": "1"})
    fetch()
    return revision


def test_a_hold_with_more_or_fewer_fields_still_holds(mirror: Mirror) -> None:
    known = asdict(hold.new("dora", "quarter close"))
    mirror.write_record(hold.RECORD, {**known, "until": "2030-01-01"})
    assert hold.read(mirror) == hold.Hold(**known)
    mirror.write_record(hold.RECORD, {"who": "dora"})
    held = hold.read(mirror)
    assert held is not None
    assert (held.who, held.why) == ("dora", "")
    assert "by dora" in str(held)
    with mirror.locked():
        assert hold.remove(mirror) == held
    assert hold.read(mirror) is None


def test_a_question_with_more_fields_is_read_and_one_with_fewer_is_asked_again(mirror: Mirror, fetched: str) -> None:
    mirror.write_record(approval.RECORD, {**asdict(QUESTION), "answer": "approved", "who": "dora", "group": "ops"})
    read = approval.read(mirror)
    assert read is not None
    assert (read.answer, read.who, read.run_id) == ("approved", "dora", QUESTION.run_id)
    mirror.write_record(approval.RECORD, {"revision": "a", "objections": ["removes all"], "answer": "approved"})
    assert approval.read(mirror) is None
    asked = approval.of(mirror, verdict(fetched), None, [], "push")
    assert asked.answer == ""
    with mirror.locked():
        approval.write(mirror, asked)
    assert approval.read(mirror) == asked


def test_an_answer_that_is_not_known_is_none(mirror: Mirror) -> None:
    mirror.write_record(approval.RECORD, {**asdict(QUESTION), "answer": "postponed", "who": "dora"})
    read = approval.read(mirror)
    assert read is not None
    assert read.answer == ""
    assert "waits for approval" in str(read)


def test_what_the_watchdog_saw_is_read_as_far_as_it_is_known(mirror: Mirror) -> None:
    now = datetime.now(UTC)
    seen = {"since": now.isoformat(), "seen": now.isoformat(), "told": True, "severity": "high"}
    mirror.write_record(watchdog.RECORD, {"stalled": seen, "not-picked-up": {"told": True}})
    events, record = watchdog.changes(mirror, {"stalled": None, "not-picked-up": None}, now, timedelta(minutes=30))
    assert [event.reason for event in events] == ["Recovered"]
    assert record is None
