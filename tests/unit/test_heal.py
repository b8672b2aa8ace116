from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.upstream import Upstream
from tests.verdicts import dag, verdict

from airlock import heal, hold, release
from airlock.confirm import Regression
from airlock.mirror import Mirror
from airlock.state import State
from airlock.verdict import Changes


@pytest.fixture
def revisions(mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]) -> list[str]:
    """Three releases of real commits; returns their revisions."""
    pushed = [upstream.push({"etl.py": str(number)}) for number in range(3)]
    fetch()
    live: str | None = None
    for revision in pushed:
        judged = verdict(revision, dags=(dag("etl", digest=revision),), inputs={"etl.py": ()})
        with mirror.locked():
            mirror.write_verdict(judged)
            release.publish(mirror, judged, expected=live, who="dora", why="", changes=Changes())
        live = revision
    return pushed


def regression(number: int, revision: str) -> Regression:
    return Regression(release=number, revision=revision, faults=("etl.py: the DAG processor cannot import it: no",))


def test_a_regression_is_rolled_back_and_the_source_is_put_on_hold(
    mirror: Mirror, state: State, revisions: list[str]
) -> None:
    healed = heal.heal(mirror, state, regression(3, revisions[2]))
    assert healed
    assert (healed.result, healed.reason, healed.release, healed.awaited) == ("published", "RolledBack", 4, ("etl",))
    assert release.live_revision(mirror) == revisions[1]
    held = hold.read(mirror)
    assert held
    assert held.who == "airlock"
    assert held.why == (
        "release 3 is worse in Airflow than it was judged: etl.py: the DAG processor cannot import it: no"
    )
    told = str(heal.error("dags", regression(3, revisions[2]), healed))
    assert "release 4 is live, which is release 2 again" in told


def test_a_rollback_is_never_rolled_back(mirror: Mirror, state: State, revisions: list[str]) -> None:
    heal.heal(mirror, state, regression(3, revisions[2]))
    assert heal.heal(mirror, state, regression(4, revisions[1])) is None
    assert release.live_revision(mirror) == revisions[1]
    assert len(release.history(mirror)) == 4


def test_what_has_taken_over_meanwhile_stays(mirror: Mirror, state: State, revisions: list[str]) -> None:
    assert heal.heal(mirror, state, regression(2, revisions[1])) is None
    assert release.live_revision(mirror) == revisions[2]
    assert hold.read(mirror) is None


def test_the_first_release_has_nothing_before_it(mirror: Mirror, state: State, revisions: list[str]) -> None:
    assert heal.heal(mirror, state, regression(1, revisions[0])) is None
    assert "it stays live" in str(heal.error("dags", regression(1, revisions[0]), None))
