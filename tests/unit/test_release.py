from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable

import pytest
from tests.upstream import Upstream
from tests.verdicts import dag, verdict

from airlock import git, release
from airlock.mirror import Mirror
from airlock.verdict import Changes, compare

Fetch = Callable[[], str | None]


def test_a_release_moves_live_and_is_remembered(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    fetch()
    judged = verdict(first, dags=(dag("etl"),))
    with mirror.locked():
        release.publish(mirror, judged, expected=None, who="dora", why="first one", changes=compare(None, judged))
        release.publish(mirror, verdict(second), expected=first, who="airlock", why="poll", changes=Changes())
    assert release.live_revision(mirror) == second
    newest, oldest = release.history(mirror)
    assert (oldest.number, oldest.revision, oldest.previous, oldest.who, oldest.why) == (
        1,
        first,
        None,
        "dora",
        "first one",
    )
    assert oldest.changes == ("+ etl: 1 task, schedule @daily",)
    assert (newest.number, newest.previous) == (2, first)
    assert git.run(mirror.path, "cat-file", "-t", "refs/tags/release/2").text == "tag"
    assert release.is_published(mirror, first)


def test_a_text_with_line_breaks_does_not_break_the_history(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    why = 'two\n\nparagraphs "quoted" \\ ünïcode\0end'
    with mirror.locked():
        release.publish(mirror, verdict(revision), expected=None, who="dora", why=why, changes=Changes())
    assert release.history(mirror)[0].why == why


def test_losing_the_race_is_a_result_and_changes_nothing(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    fetch()
    with mirror.locked():
        assert release.publish(mirror, verdict(first), expected=None, who="a", why="", changes=Changes())
        assert release.publish(mirror, verdict(second), expected=None, who="b", why="", changes=Changes()) is None
    assert release.live_revision(mirror) == first
    assert len(release.history(mirror)) == 1


def test_a_revision_that_did_not_pass_is_never_published(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    with mirror.locked(), pytest.raises(ValueError, match="has not passed, it is rejected"):
        release.publish(mirror, verdict(revision, result="rejected"), expected=None, who="", why="", changes=Changes())
    assert release.live_revision(mirror) is None


def test_history_is_in_the_order_of_numbers(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    live = None
    for number in range(12):
        revision = upstream.push({"a.py": str(number)})
        fetch()
        with mirror.locked():
            release.publish(mirror, verdict(revision), expected=live, who="", why="", changes=Changes())
        live = revision
    assert [one.number for one in release.history(mirror)] == list(range(12, 0, -1))
    assert [one.number for one in release.history(mirror, limit=2)] == [12, 11]


def test_killed_at_any_moment_live_and_the_newest_release_agree(
    mirror: Mirror, upstream: Upstream, fetch: Fetch
) -> None:
    revisions = [upstream.push({"a.py": str(number)}) for number in range(2)]
    fetch()
    context = multiprocessing.get_context("fork")
    dice = random.Random(7)

    def publish_for_ever() -> None:
        while True:
            with mirror.locked():
                live = release.live_revision(mirror)
                following = revisions[0] if live == revisions[1] else revisions[1]
                release.publish(mirror, verdict(following), expected=live, who="", why="", changes=Changes())

    kills = 0
    while kills < 12 or len(release.history(mirror)) < 6:
        kills += 1
        assert kills < 200
        publisher = context.Process(target=publish_for_ever)
        publisher.start()
        time.sleep(dice.uniform(0.02, 0.25))
        assert publisher.pid
        os.kill(publisher.pid, signal.SIGKILL)
        publisher.join()
        history = release.history(mirror)
        assert (history[0].revision if history else None) == release.live_revision(mirror)
        assert [one.number for one in history] == list(range(len(history), 0, -1))


def test_releases_of_an_older_and_of_a_newer_airlock_stay_readable(
    mirror: Mirror, upstream: Upstream, fetch: Fetch
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    with mirror.locked():
        release.publish(mirror, verdict(revision), expected=None, who="dora", why="w", changes=Changes())
        text = git.run(mirror.path, "cat-file", "tag", "refs/tags/release/1").text
        head, _, record = text.rpartition("\n\n")
        known = json.loads(record)
        for number, changed in ((2, {"of": ..., "kind": ..., "lock": ...}), (3, {"mood": "fine"})):
            fields = {**known, **changed, "number": number}
            body = json.dumps({key: value for key, value in fields.items() if value is not ...})
            tag = git.run(
                mirror.path, "mktag", stdin=f"{head.replace('release/1', f'release/{number}')}\n\n{body}\n".encode()
            )
            git.move_refs(mirror.path, [f"create refs/tags/release/{number} {tag.text}"])
    newer, older, _ = release.history(mirror)
    assert (older.number, older.kind, older.lock, older.of) == (2, "release", "", None)
    assert (newer.number, release.told(newer)) == (3, "dora: w")


def test_a_record_tells_its_kind_and_the_lockfile(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    with mirror.locked():
        release.publish(
            mirror,
            verdict(revision),
            expected=None,
            who="dora",
            why="",
            changes=Changes(),
            kind="approved",
            lock="abc",
        )
    (found,) = release.history(mirror)
    assert (found.kind, found.lock, release.told(found)) == ("approved", "abc", "approved by dora")
