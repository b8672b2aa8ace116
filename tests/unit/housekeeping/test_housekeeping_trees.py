"""Trees of old releases go; what is live, recent or in use stays, and what went can be made again."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import manifest, mirror as mirrors, needs, release as releases, tree
from airlock.errors import TransientError
from airlock.housekeeping import trees
from airlock.mirror import Mirror
from airlock.state import State
from airlock.verdict import Changes

Publish = Callable[[int], list[str]]


@pytest.fixture
def publish(mirror: Mirror, state: State, upstream: Upstream, fetch: Callable[[], str | None]) -> Publish:
    """Return a function that publishes so many releases and returns their revisions, the oldest first."""

    def make(count: int) -> list[str]:
        revisions = []
        for number in range(count):
            revision = upstream.push({"etl.py": f"{number}"})
            fetch()
            with mirror.locked():
                live = releases.live_revision(mirror)
                releases.publish(mirror, verdict(revision), expected=live, who="x", why="x", changes=Changes())
            tree.materialise(mirror.path, revision, state.trees("dags"), previous=live)
            revisions.append(revision)
        return revisions

    return make


def names(state: State) -> set[str]:
    return {path.name for path in state.trees("dags").iterdir()}


def test_the_newest_releases_stay(mirror: Mirror, state: State, publish: Publish) -> None:
    revisions = publish(12)
    removed = trees.remove_old(state, mirror, keep=10, needed=frozenset, dry_run=False)
    assert names(state) == set(revisions[2:])
    assert removed.names == tuple(sorted(f"dags {revision[:12]}" for revision in revisions[:2]))
    assert removed.size > 0
    assert manifest.revisions(state.trees("dags")) == names(state)


def test_nothing_goes_where_there_is_nothing_old(mirror: Mirror, state: State, publish: Publish) -> None:
    revisions = publish(3)
    assert trees.remove_old(state, mirror, keep=10, needed=frozenset, dry_run=False).names == ()
    assert names(state) == set(revisions)


def test_a_dry_run_tells_the_same_and_removes_nothing(mirror: Mirror, state: State, publish: Publish) -> None:
    revisions = publish(4)
    told = trees.remove_old(state, mirror, keep=2, needed=frozenset, dry_run=True)
    assert names(state) == set(revisions)
    done = trees.remove_old(state, mirror, keep=2, needed=frozenset, dry_run=False)
    assert (done.names, done.size) == (told.names, told.size)


def test_what_is_live_stays_however_old_its_release_is(mirror: Mirror, state: State, publish: Publish) -> None:
    first, *_, last = publish(4)
    with mirror.locked():
        releases.publish(mirror, verdict(first), expected=last, who="x", why="rollback", changes=Changes())
    trees.remove_old(state, mirror, keep=1, needed=frozenset, dry_run=False)
    assert names(state) == {first}


def test_what_a_task_runs_on_stays_until_it_ends(mirror: Mirror, state: State, publish: Publish) -> None:
    first, *_ = publish(4)
    tracking = state.cache / "bundles" / "_tracking" / "dags" / first
    tracking.parent.mkdir(parents=True)
    with tracking.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)  # as Airflow's BundleVersionLock does
        trees.remove_old(state, mirror, keep=1, needed=frozenset, dry_run=False)
        assert first in names(state)
    trees.remove_old(state, mirror, keep=1, needed=frozenset, dry_run=False)
    assert first not in names(state)
    assert not tracking.exists()


def test_what_an_unfinished_run_needs_stays_and_is_asked_only_where_something_is_old(
    mirror: Mirror, state: State, publish: Publish
) -> None:
    first, second, *newest = publish(4)
    asked = []

    def needed() -> set[str]:
        asked.append(names(state))
        return {first}

    assert trees.remove_old(state, mirror, keep=4, needed=needed, dry_run=False).names == ()
    assert asked == []
    assert trees.remove_old(state, mirror, keep=2, needed=needed, dry_run=False).names == (f"dags {second[:12]}",)
    assert names(state) == {first, *newest}
    trees.remove_old(state, mirror, keep=2, needed=frozenset, dry_run=False)
    assert names(state) == set(newest)


def test_nothing_goes_while_nobody_tells_what_unfinished_runs_need(
    mirror: Mirror, state: State, publish: Publish
) -> None:
    revisions = publish(3)
    needed = partial(needs.of_unfinished_runs, state.enquiry("dags"), patience_s=0.3)
    with pytest.raises(TransientError, match="did not tell") as caught:
        trees.remove_old(state, mirror, keep=1, needed=needed, dry_run=False)
    assert caught.value.reason == "RunsUnknown"
    assert names(state) == set(revisions)


def test_a_removed_tree_is_made_again_for_a_run_that_needs_it(mirror: Mirror, state: State, publish: Publish) -> None:
    first, *_ = publish(3)
    trees.remove_old(state, mirror, keep=1, needed=frozenset, dry_run=False)
    assert releases.is_published(mirror, first)
    made = tree.materialise(mirror.path, first, state.trees("dags"))
    assert (made / "etl.py").read_text() == "0"


def test_the_mirror_is_unharmed(mirror: Mirror, state: State, publish: Publish) -> None:
    publish(3)
    trees.remove_old(state, mirror, keep=1, needed=frozenset, dry_run=False)
    assert [release.number for release in releases.history(mirror)] == [3, 2, 1]
    assert Path(mirrors.of(state, mirror.source).path).exists()
