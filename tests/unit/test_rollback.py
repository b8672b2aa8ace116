from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from tests.git_servers import http_git
from tests.upstream import Upstream
from tests.verdicts import dag, verdict

from airlock import git, hold, release, rollback
from airlock.errors import UsageError
from airlock.mirror import Mirror
from airlock.state import State
from airlock.verdict import Changes

Publish = Callable[[str], str]


@pytest.fixture
def publish(mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]) -> Publish:
    """Return a function that pushes a file with this content, publishes it and returns the revision."""

    def publish_now(content: str) -> str:
        revision = upstream.push({"etl.py": content})
        fetch()
        judged = verdict(revision, dags=(dag("etl", digest=content),), inputs={"etl.py": ("etl.py",)})
        with mirror.locked():
            mirror.write_verdict(judged)
            live = release.live_revision(mirror)
            assert release.publish(mirror, judged, expected=live, who="poll", why="", changes=Changes())
        return revision

    return publish_now


def test_the_release_before_is_live_again_and_the_source_on_hold(
    mirror: Mirror, state: State, publish: Publish
) -> None:
    first, second = publish("1"), publish("2")
    outcome = rollback.roll_back(mirror, state, who="dora", why="late numbers")
    assert (outcome.result, outcome.reason, outcome.release, outcome.awaited) == (
        "published",
        "RolledBack",
        3,
        ("etl",),
    )
    assert release.live_revision(mirror) == first
    newest = release.history(mirror)[0]
    assert (newest.kind, newest.of, newest.previous, newest.who, newest.why) == (
        "rollback",
        1,
        second,
        "dora",
        "late numbers",
    )
    assert newest.changes == ("~ etl: details of tasks or parameters",)
    held = hold.read(mirror)
    assert held
    assert (held.who, held.why) == ("dora", "late numbers")
    assert (state.trees("dags") / first / "etl.py").read_text() == "1"


def test_a_second_rollback_goes_further_back_instead_of_forward_again(
    mirror: Mirror, state: State, publish: Publish
) -> None:
    first, second, _ = publish("1"), publish("2"), publish("3")
    rollback.roll_back(mirror, state, who="dora", why="")
    assert release.live_revision(mirror) == second
    rollback.roll_back(mirror, state, who="dora", why="")
    assert release.live_revision(mirror) == first
    with pytest.raises(UsageError, match="there is no release before what is live"):
        rollback.roll_back(mirror, state, who="dora", why="")


def test_a_number_names_the_release_also_a_newer_one(mirror: Mirror, state: State, publish: Publish) -> None:
    first, _, third = publish("1"), publish("2"), publish("3")
    rollback.roll_back(mirror, state, who="dora", why="", number=1)
    assert release.live_revision(mirror) == first
    rollback.roll_back(mirror, state, who="dora", why="", number=3)
    assert release.live_revision(mirror) == third


@pytest.mark.parametrize(
    ("number", "message", "reason"),
    [(7, "there is no release 7", "NoSuchRelease"), (2, "release 2 is what is live", "AlreadyLive")],
)
def test_a_release_that_is_not_there_or_is_live_is_refused_in_clear_words(
    number: int, message: str, reason: str, mirror: Mirror, state: State, publish: Publish
) -> None:
    publish("1")
    live = publish("2")
    with pytest.raises(UsageError, match=f"source dags: {message}") as caught:
        rollback.roll_back(mirror, state, who="dora", why="", number=number)
    assert caught.value.reason == reason
    assert (release.live_revision(mirror), hold.read(mirror)) == (live, None)


def test_before_the_first_release_there_is_nothing_to_go_back_to(mirror: Mirror, state: State) -> None:
    with pytest.raises(UsageError, match="nothing is live yet"):
        rollback.roll_back(mirror, state, who="dora", why="")


def test_a_rollback_of_what_is_not_live_any_more_does_nothing(mirror: Mirror, state: State, publish: Publish) -> None:
    first, second = publish("1"), publish("2")
    assert rollback.roll_back(mirror, state, who="airlock", why="", expected=first).reason == "LostRace"
    assert (release.live_revision(mirror), hold.read(mirror)) == (second, None)


@pytest.mark.parametrize("damage", ["no verdict", "another environment", "rejected since"])
def test_the_brake_works_whatever_became_of_the_verdict_and_says_what(
    damage: str, mirror: Mirror, state: State, publish: Publish
) -> None:
    first = publish("1")
    publish("2")
    with mirror.locked():
        if damage == "no verdict":
            git.run(mirror.path, "update-ref", "-d", "refs/notes/verdicts")
        elif damage == "rejected since":
            mirror.write_verdict(verdict(first, result="rejected"))
    outcome = rollback.roll_back(mirror, state, who="dora", why="")
    assert release.live_revision(mirror) == first
    told = {
        "no verdict": "its verdict cannot be read any more",
        "another environment": "it was judged in another environment",
        "rejected since": "judged again since, it is rejected",
    }
    assert outcome.message.endswith(told[damage])


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_the_publish_the_hold_and_the_release_are_both_there_or_neither(
    moment: str, mirror: Mirror, state: State, publish: Publish
) -> None:
    first, second = publish("1"), publish("2")
    child = os.fork()
    if child == 0:
        original = git.move_refs

        def die(*args: Any) -> None:
            if moment == "after":
                original(*args)
            os.kill(os.getpid(), signal.SIGKILL)

        git.move_refs = die
        rollback.roll_back(mirror, state, who="dora", why="")
    os.waitpid(child, 0)
    live = release.live_revision(mirror)
    assert (live, hold.read(mirror) is None) == ((second, True) if moment == "before" else (first, False))


def test_a_hold_keeps_its_first_reason_and_its_end_lets_the_watcher_ask_again(mirror: Mirror, publish: Publish) -> None:
    revision = publish("1")
    with mirror.locked():
        mirror.mark_judged(revision)
        assert hold.remove(mirror) is None
        assert mirror.judged_revision() == revision
        hold.put(mirror, hold.new("dora", "freeze"))
        assert hold.put(mirror, hold.new("bob", "me too")).who == "dora"
        ended = hold.remove(mirror)
    assert ended
    assert "by dora: freeze" in str(ended)
    assert (hold.read(mirror), mirror.judged_revision()) == (None, None)


def test_a_rollback_does_not_wait_for_an_upstream_that_hangs(
    mirror: Mirror, state: State, upstream: Upstream, publish: Publish, tmp_path: Path
) -> None:
    first, _ = publish("1"), publish("2")
    asked = Event()
    with http_git(tmp_path) as server, ThreadPoolExecutor(1) as pool:
        server.on_request = asked.set
        server.hangs.set()
        following = upstream.push({"etl.py": "3"})

        def fetch_slowly() -> str | None:
            with mirror.fetching():
                mirror.fetch(server.url(), env={})
            return mirror.upstream_revision()

        fetching = pool.submit(fetch_slowly)
        assert asked.wait(30)
        assert rollback.roll_back(mirror, state, who="dora", why="").reason == "RolledBack"
        assert not fetching.done()
        assert release.live_revision(mirror) == first
        server.hangs.clear()
        assert fetching.result(60) == following
    assert release.live_revision(mirror) == first
