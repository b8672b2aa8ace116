"""The watchdog tells what lasts, once, and what is over, once; a quiet repository is well."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import confirm, enquiry, release, sync, watchdog
from airlock.enquiry import Answer, Question
from airlock.errors import ConfigError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes
from airlock.watchdog import Trouble

START = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = timedelta(minutes=30)
WELL: dict[watchdog.Kind, Trouble | None] = {"stalled": None, "not-picked-up": None}
STALLED = {**WELL, "stalled": Trouble(reason="HostUnreachable", text="no answer")}
UNSERVED = {**WELL, "not-picked-up": Trouble(reason="NotPickedUp", text="release 1")}


def told(mirror: Mirror, minute: int, found: dict[watchdog.Kind, Trouble | None]) -> list[str]:
    """Return the kinds that are told after a look."""
    events, record = watchdog.changes(mirror, found, START + timedelta(minutes=minute), LONGEST)
    watchdog.remember(mirror, record)
    return [event.kind for event in events]


def judge(mirror: Mirror, revision: str, minute: int = 0) -> None:
    with mirror.locked():
        mirror.mark_judged(revision, under={"at": (START + timedelta(minutes=minute)).isoformat()})


@pytest.fixture
def folder(state: State) -> Path:
    return state.enquiry("dags")


def look(mirror: Mirror, folder: Path, now: datetime = START) -> dict[watchdog.Kind, Trouble | None]:
    return watchdog.look(mirror, folder, now, answer_s=0.3)


def test_a_trouble_that_lasts_is_told_once_and_its_end_once(mirror: Mirror) -> None:
    looks = [told(mirror, minute, STALLED) for minute in (0, 10, 20, 30, 40, 50)]
    assert looks == [[], [], [], ["stalled"], [], []]
    assert [told(mirror, minute, WELL) for minute in (60, 70)] == [["recovered"], []]
    assert mirror.read_record(watchdog.RECORD) is None


def test_a_trouble_that_passes_is_not_told(mirror: Mirror) -> None:
    assert [told(mirror, minute, STALLED if minute % 20 == 0 else WELL) for minute in range(0, 100, 10)] == [[]] * 10


def test_nothing_is_written_while_all_is_well(mirror: Mirror) -> None:
    assert told(mirror, 0, WELL) == []
    assert not mirror.exists()


def test_a_busy_repository_whose_syncs_succeed_is_well(
    mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    for minute in range(0, 100, 10):
        assert told(mirror, minute, STALLED) == []
        judge(mirror, revision, minute + 5)


def test_a_sync_that_succeeds_ends_the_trouble_also_when_the_next_one_is_due(
    mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]
) -> None:
    assert [told(mirror, minute, STALLED) for minute in (0, 20, 40)] == [[], [], ["stalled"]]
    revision = upstream.push({"a.py": "1"})
    fetch()
    judge(mirror, revision, 45)
    assert [told(mirror, minute, STALLED) for minute in (50, 70, 90)] == [["recovered"], [], ["stalled"]]


def test_the_time_that_the_deployment_was_down_does_not_count(mirror: Mirror) -> None:
    assert [told(mirror, minute, STALLED) for minute in (0, 10, 600, 610)] == [[], [], [], []]
    assert [told(mirror, minute, STALLED) for minute in (620, 630)] == [[], ["stalled"]]


def test_both_kinds_have_their_own_messages(mirror: Mirror) -> None:
    assert told(mirror, 0, UNSERVED) == ["not-picked-up"]
    assert told(mirror, 10, {**STALLED, "not-picked-up": UNSERVED["not-picked-up"]}) == []
    assert told(mirror, 20, STALLED) == ["recovered"]
    assert told(mirror, 40, STALLED) == ["stalled"]


def test_the_message_says_how_long_why_and_what_stays(mirror: Mirror) -> None:
    told(mirror, 0, STALLED)
    told(mirror, 20, STALLED)
    (event,), _ = watchdog.changes(mirror, STALLED, START + timedelta(minutes=40), LONGEST)
    assert event.reason == "HostUnreachable"
    assert event.text == "dags: no sync has succeeded for 40 minutes; what is live stays live: no answer"


def test_a_quiet_repository_is_well_and_costs_no_question(
    mirror: Mirror, folder: Path, upstream: Upstream, fetch: Callable[[], str | None]
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    judge(mirror, revision)
    assert look(mirror, folder) == WELL
    assert not folder.exists()


def test_a_revision_that_no_sync_judged_is_due_and_the_last_error_is_told(
    mirror: Mirror, folder: Path, upstream: Upstream
) -> None:
    revision = upstream.push({"a.py": "1"})
    found = look(mirror, folder)["stalled"]
    assert found
    assert (found.reason, found.revision) == ("SyncMissing", revision)
    assert "airlock_sync_dags" in found.text
    with mirror.locked():
        mirror.write_record(sync.RECORD, {"result": "error", "reason": "BadState", "message": "the disk is full"})
    assert look(mirror, folder)["stalled"] == Trouble(
        reason="BadState", text="the last sync failed: the disk is full", revision=revision
    )


def test_syncs_that_fail_in_a_new_environment_are_told_though_upstream_is_quiet(
    mirror: Mirror, folder: Path, upstream: Upstream, fetch: Callable[[], str | None]
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    judge(mirror, revision)

    def stalled(minute: int, *, failed_at: int, ref: str = "") -> Trouble | None:
        at = (START + timedelta(minutes=failed_at)).isoformat()
        with mirror.locked():
            record = {"result": "error", "reason": "ValidatorFailed", "message": "no Airflow", "ref": ref, "at": at}
            mirror.write_record(sync.RECORD, record)
        return look(mirror, folder, START + timedelta(minutes=minute))["stalled"]

    failing = Trouble(
        reason="ValidatorFailed", text="the last sync failed: no Airflow", revision=revision, is_retry=True
    )
    assert stalled(minute=20, failed_at=19) == failing
    assert stalled(minute=20, failed_at=19, ref="feature") is None
    assert stalled(minute=40, failed_at=19) is None  # somebody's only try
    told(mirror, 20, {**WELL, "stalled": failing})
    told(mirror, 50, {**WELL, "stalled": failing})
    assert stalled(minute=99, failed_at=49) == failing  # told, and nobody tries any more
    assert stalled(minute=99, failed_at=98, ref="feature") == failing
    judge(mirror, revision, minute=50)
    assert stalled(minute=99, failed_at=49) is None
    told(mirror, 100, STALLED)
    told(mirror, 140, STALLED)  # an outage that was told, and a try by hand during it
    assert stalled(minute=180, failed_at=145) is None


def test_an_upstream_that_cannot_be_asked_or_lacks_the_branch_is_trouble(
    mirror: Mirror, folder: Path, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.push({"a.py": "1"}, branch="other")
    found = look(mirror, folder)["stalled"]
    assert found
    assert found == Trouble(reason="BranchMissing", text="upstream has no branch 'main'")
    tagged = replace(mirror, source=replace(mirror.source, tag="v*"))
    assert look(tagged, folder)["stalled"] == Trouble(reason="RefMissing", text="upstream has no tag 'v*'")
    gone = replace(mirror, source=Source(name="dags", repo_url=str(tmp_path / "gone.git")))
    found = look(gone, folder)["stalled"]
    assert found
    assert found.reason == "RepositoryMissing"


@pytest.fixture
def released(mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]) -> datetime:
    """One release that nobody confirmed; returns a time at which it is old."""
    revision = upstream.push({"a.py": "1"})
    fetch()
    with mirror.locked():
        published = release.publish(mirror, verdict(revision), expected=None, who="a", why="b", changes=Changes())
    judge(mirror, revision)
    assert published
    return datetime.fromisoformat(published.published_at) + timedelta(minutes=11)


@contextmanager
def answering(folder: Path) -> Iterator[list[Question]]:
    """A DAG processor that serves what it is asked about; gives the questions."""
    ended, questions = threading.Event(), []

    def loop() -> None:
        turn = 0
        while not ended.wait(0.02):
            if question := enquiry.asked(folder):
                questions.append(question)
                turn += 1
                enquiry.answer(folder, Answer(revision=question.revision, at=str(turn), dags={}, errors={}))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield questions
    finally:
        ended.set()
        thread.join()


def test_a_release_that_the_dag_processor_does_not_show_is_trouble(
    mirror: Mirror, folder: Path, released: datetime
) -> None:
    found = look(mirror, folder, released)["not-picked-up"]
    assert found
    assert (found.reason, found.release) == ("NotPickedUp", 1)
    assert found.text.startswith("release 1 was published 11 minutes ago")
    assert enquiry.asked(folder) is None


def test_a_release_that_is_young_served_or_confirmed_is_none(mirror: Mirror, folder: Path, released: datetime) -> None:
    assert look(mirror, folder, released - timedelta(minutes=5)) == WELL
    with answering(folder):
        assert look(mirror, folder, released) == WELL
    with mirror.locked():
        mirror.write_record(confirm.RECORD, {"release": 1})
    assert look(mirror, folder, released) == WELL


def test_a_young_release_does_not_end_the_trouble_of_the_one_before(
    mirror: Mirror, folder: Path, released: datetime
) -> None:
    told(mirror, 0, UNSERVED)
    assert look(mirror, folder, released - timedelta(minutes=5))["not-picked-up"]


def test_the_question_of_a_confirmation_that_waits_is_left_alone(
    mirror: Mirror, folder: Path, released: datetime
) -> None:
    waiting = Question(revision=str(mirror.judged_revision()), dags=("etl",))
    enquiry.ask(folder, waiting)
    with answering(folder) as questions:
        assert look(mirror, folder, released) == WELL
    assert questions
    assert all(question == waiting for question in questions)
    assert enquiry.asked(folder) == waiting


def test_a_sync_is_asked_for_that_confirms_what_nobody_confirmed(mirror: Mirror, released: datetime) -> None:
    head = mirror.judged_revision()
    assert not watchdog.ask_to_confirm(mirror, released - timedelta(minutes=5))
    for _ in range(3):
        assert watchdog.ask_to_confirm(mirror, released)
        assert mirror.judged_revision() is None  # which the watcher sees
        assert not watchdog.ask_to_confirm(mirror, released)  # it was asked for
        judge(mirror, str(head))
    assert not watchdog.ask_to_confirm(mirror, released)  # not without end


def test_no_sync_is_asked_for_that_could_not_confirm(
    mirror: Mirror, released: datetime, upstream: Upstream, fetch: Callable[[], str | None]
) -> None:
    newer = upstream.push({"b.py": "1"})
    fetch()
    judge(mirror, newer)  # on hold: what is live is not what a sync would bring
    assert not watchdog.ask_to_confirm(mirror, released)
    judge(mirror, str(release.live_revision(mirror)))
    with mirror.locked():
        mirror.write_record(confirm.RECORD, {"release": 1})
    assert not watchdog.ask_to_confirm(mirror, released)
    assert mirror.judged_revision()


@pytest.mark.parametrize(("text", "minutes"), [("", 30), ("5", 5), ("0", 0)])
def test_the_limit_is_a_number_of_minutes(text: str, minutes: int) -> None:
    assert watchdog.limit({watchdog.VARIABLE: text}) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["-1", "1.5", "half"])
def test_a_wrong_limit_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=f"AIRLOCK_WATCHDOG_MINUTES: '{text}' is not a whole number"):
        watchdog.limit({watchdog.VARIABLE: text})
