"""Syncs over a mirror that is damaged where a fetch does not see it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from tests.damage import WAYS, Way, hurt, hurt_file, pack
from tests.upstream import Upstream

from airlock import git, hold, mirror as mirrors, rebuild, release as releases, sync
from airlock.errors import StateError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers

Run = Callable[..., sync.Outcome]
DAG = """
from airflow.sdk import dag, task
from lib.words import WORD


@dag
def {name}():
    @task
    def work():
        print(WORD)

    work()


{name}()
"""


@pytest.fixture
def run(state: State, source: Source) -> Run:
    def run_now(**request: object) -> sync.Outcome:
        return sync.run(source, state, sync.Request(**request), Answers())  # type: ignore[arg-type]

    return run_now


@pytest.fixture
def followed(run: Run, upstream: Upstream, mirror: Mirror) -> str:
    """A release, and a newer revision that was fetched and not judged yet."""
    upstream.push({"one.py": DAG.format(name="one"), "lib/words.py": "WORD = 1\n"})
    assert run().result == "published"
    revision = upstream.push({"two.py": DAG.format(name="two"), "lib/words.py": "WORD = 2\n"})
    with mirror.fetching():
        mirror.fetch(upstream.url, env={})
    return revision


@pytest.mark.parametrize(
    ("what", "way"), [("^{tree}", "empty"), (":lib", "empty"), *((":two.py", way) for way in WAYS), (":lib", "delete")]
)
def test_a_followed_commit_that_is_damaged_is_fetched_anew_and_published(
    run: Run, upstream: Upstream, mirror: Mirror, followed: str, what: str, way: Way
) -> None:
    hurt(mirror.path, f"{followed}{what}", way)
    outcome = run()
    assert (outcome.result, outcome.revision, outcome.release) == ("published", followed, 2)
    assert [one.number for one in releases.history(mirror)] == [2, 1]
    git.run(mirror.path, "fsck", "--no-dangling")
    assert mirror.path.with_suffix(".damaged").exists()


@pytest.mark.parametrize(("suffix", "way"), [*((".pack", way) for way in WAYS), (".idx", "empty")])
def test_a_pack_that_is_damaged_is_fetched_anew(
    run: Run, upstream: Upstream, mirror: Mirror, followed: str, suffix: str, way: Way
) -> None:
    hurt_file(pack(mirror.path).with_suffix(suffix), way)
    outcome = run()
    assert (outcome.result, outcome.revision) == ("published", followed)


@pytest.mark.parametrize("way", ["empty", "delete"])
def test_a_damaged_verdict_on_live_is_given_anew(run: Run, mirror: Mirror, followed: str, way: Way) -> None:
    live = releases.live_revision(mirror)
    assert live
    hurt(mirror.path, git.run(mirror.path, "notes", "--ref=verdicts", "list", live).text, way)
    outcome = run()
    assert (outcome.result, outcome.changes) == ("published", ("+ two: 1 task, schedule None",))
    assert mirror.read_verdict(live)


@pytest.mark.parametrize("way", ["empty", "delete"])
def test_damaged_notes_stop_no_sync(run: Run, mirror: Mirror, followed: str, way: Way) -> None:
    hurt(mirror.path, "refs/notes/verdicts^{tree}", way)
    assert run().result == "published"
    assert mirror.read_verdict(followed)


@pytest.mark.parametrize("way", ["empty", "delete", "ref"])
def test_a_sync_with_a_damaged_hold_does_not_publish(run: Run, mirror: Mirror, followed: str, way: Any) -> None:
    with mirror.locked():
        hold.put(mirror, hold.new("dora", "rolled back"))
    if way == "ref":
        (mirror.path / hold.REF).write_text("")
    else:
        hurt(mirror.path, hold.REF, way)
    for _ in range(2):  # the first may make the mirror again
        outcome = run()
        assert (outcome.result, outcome.reason) == ("waiting", "OnHold")
        assert "the record of the hold was damaged" in outcome.message
    with mirror.locked():
        assert hold.remove(mirror)
    assert run().result == "published"


def test_a_mirror_that_stays_damaged_is_made_again_once_and_then_is_an_error(
    run: Run, mirror: Mirror, followed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt(mirror.path, f"{followed}:lib", "empty")
    made: list[Mirror] = []
    monkeypatch.setattr(rebuild, "rebuild", lambda mirror, *_, **__: made.append(mirror))
    with pytest.raises(StateError, match="was made again and still cannot be read") as caught:
        run()
    assert caught.value.reason == "MirrorDamaged"
    assert len(made) == 1
    assert (mirror.read_record(sync.RECORD) or {})["reason"] == "MirrorDamaged"


def test_a_fault_that_is_no_damage_makes_no_mirror_again(
    state: State, upstream: Upstream, mirror: Mirror, followed: str
) -> None:
    shutil.rmtree(upstream.url)
    with pytest.raises(Exception, match="fetch failed"):
        sync.run(mirrors.of(state, mirror.source).source, state, sync.Request(), Answers())
    assert not mirror.path.with_suffix(".damaged").exists()
