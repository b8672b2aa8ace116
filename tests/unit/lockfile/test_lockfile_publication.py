"""One run of the lockfile DAG: publishes what is new, keeps what is not, and says what a person has to do."""

from __future__ import annotations

import pytest

from airlock import git
from airlock.errors import OperatorError
from airlock.lockfile import folder, publication, store
from airlock.lockfile.manifest import Problem
from airlock.state import State


@pytest.fixture
def state(tmp_path):
    return State(root=tmp_path / "state")


def publish(state, artifact):
    return publication.publish(state, make=lambda _: artifact)


def test_the_first_run_publishes_and_the_second_does_not(state, wheelhouse, make_lockfile):
    lockfile = make_lockfile(wheelhouse.add("one"))
    first, second = publish(state, lockfile), publish(state, lockfile)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.commit == second.commit
    assert first.to_json() == {**second.to_json(), "result": "published"}
    assert second.to_json()["result"] == "unchanged"


def test_what_is_published_is_offered_for_another_use(state, wheelhouse, make_lockfile):
    lockfile = make_lockfile(wheelhouse.add("one"))
    offered = []
    for _ in range(2):
        publication.publish(state, make=lambda previous: offered.append(previous) or lockfile)
    assert offered == [None, lockfile]


def test_the_lockfile_of_the_image_is_offered_first_so_that_no_index_is_asked(
    state, wheelhouse, make_lockfile, tmp_path, monkeypatch
):
    built = make_lockfile(wheelhouse.add("one"))
    folder.write(tmp_path / "lock", built)
    monkeypatch.setattr(publication, "BUILT", tmp_path / "lock")
    offered = []
    publication.publish(state, make=lambda previous: offered.append(previous) or built)
    assert offered == [built]


def test_changes_against_what_was_published_are_told(state, wheelhouse, make_lockfile):
    publish(state, make_lockfile(wheelhouse.add("one", "1.0")))
    assert publish(state, make_lockfile(wheelhouse.add("one", "1.1"))).to_json()["changes"] == [
        "changed one 1.0 to 1.1"
    ]


def test_a_published_lockfile_that_cannot_be_read_is_replaced(state, wheelhouse, make_lockfile):
    git.init_bare(state.environment)
    blob = git.write_blob(state.environment, b"{}")
    tree = git.run(state.environment, "mktree", stdin=f"100644 blob {blob}\tmanifest.json\n".encode()).text
    broken = git.run(state.environment, "commit-tree", tree, "-m", "broken").text
    git.run(state.environment, "update-ref", store.REF, broken)
    lockfile = make_lockfile(wheelhouse.add("one"))
    assert publish(state, lockfile).is_new
    assert store.read(state.environment).artifact == lockfile


@pytest.mark.parametrize(
    ("reason", "is_red"), [("IndexUnreachable", False), ("Inconsistent", True), ("LockMismatch", True)]
)
def test_a_run_is_red_only_when_somebody_has_to_act(state, make_lockfile, reason, is_red):
    outcome = publish(state, make_lockfile(problem=Problem(reason=reason, message="what happened", hint="do this")))
    assert outcome.to_json()["complete"] is False
    if not is_red:
        publication.require_complete(outcome)
        return
    with pytest.raises(OperatorError, match=r"what happened\nhint: do this") as raised:
        publication.require_complete(outcome)
    assert raised.value.reason == reason


def test_a_complete_lockfile_is_enough(state, wheelhouse, make_lockfile):
    publication.require_complete(publish(state, make_lockfile(wheelhouse.add("one"))))
