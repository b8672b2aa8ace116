"""When the lockfile DAG is asked to look: as soon as there is something to do, and not again and again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from airlock import git
from airlock.lockfile import distributions, publication, store
from airlock.lockfile.manifest import Problem
from airlock.lockfile.watch import Watch
from airlock.state import State

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0


@pytest.fixture
def state(tmp_path):
    return State(root=tmp_path / "state")


@pytest.fixture
def publish(state, make_lockfile):
    def now(environment=None, **manifest):
        lockfile = make_lockfile(environment=environment or distributions.digest(), **manifest)
        publication.publish(state, make=lambda _: lockfile)

    return now


@pytest.fixture
def watch(state):
    return Watch(repository=state.environment)


def reports(watch, *, until_s, since_s=0.0, step_s=10 * MINUTE_S):
    steps = range(int(since_s), int(until_s), int(step_s))
    return [(now_s / MINUTE_S, reason) for now_s in steps if (reason := watch.look(now_s))]


UNREACHABLE = Problem(reason="IndexUnreachable", message="m", hint="h")
INCONSISTENT = Problem(reason="Inconsistent", message="m", hint="h")


def test_it_asks_at_once_when_nothing_is_published(watch):
    assert watch.look(0.0) == "NotPublished"


def test_it_is_silent_while_the_published_lockfile_is_of_this_environment(watch, publish):
    publish()
    assert reports(watch, until_s=DAY_S, step_s=HOUR_S) == []


def test_it_asks_when_the_environment_changed_and_is_silent_when_that_is_published(watch, publish):
    publish(environment="another")
    assert watch.look(0.0) == "EnvironmentChanged"
    publish()
    assert reports(watch, since_s=MINUTE_S, until_s=DAY_S, step_s=HOUR_S) == []
    publish(environment="another")
    assert watch.look(DAY_S) == "EnvironmentChanged"


def test_a_difference_that_stays_is_reported_less_and_less_often(watch, publish):
    publish(environment="another")
    assert [minute for minute, _ in reports(watch, until_s=6 * HOUR_S)] == [0, 10, 30, 70, 150, 310]
    last = [minute for minute, _ in reports(watch, since_s=DAY_S, until_s=12 * DAY_S, step_s=6 * HOUR_S)][-3:]
    assert [later - earlier for earlier, later in pairwise(last)] == [1440.0, 1440.0]


def test_a_lock_that_waits_for_an_index_is_tried_again_but_not_at_once(watch, publish):
    assert watch.look(0.0) == "NotPublished"
    publish(problem=UNREACHABLE)
    assert reports(watch, since_s=MINUTE_S, until_s=40 * MINUTE_S, step_s=MINUTE_S) == [
        (10.0, "LockIncomplete"),
        (30.0, "LockIncomplete"),
    ]


def test_a_lock_that_waits_for_a_person_is_not_tried_again(watch, publish):
    publish(problem=INCONSISTENT)
    assert reports(watch, until_s=DAY_S, step_s=HOUR_S) == []


def test_a_published_lockfile_that_cannot_be_read_is_reported(watch, publish, state):
    publish()
    tree = git.run(state.environment, "mktree", stdin=b"").text
    git.run(state.environment, "update-ref", store.REF, git.run(state.environment, "commit-tree", tree, "-m", "x").text)
    assert watch.look(0.0) == "LockfileUnreadable"
