"""The published lockfile: one commit a change, all files or none, and nobody's publication is lost."""

from __future__ import annotations

import pytest

from airlock import git
from airlock.errors import CommandFailed, StateError, TransientError
from airlock.lockfile import store


@pytest.fixture
def repository(tmp_path):
    return tmp_path / "state" / "environment.git"


@pytest.fixture
def two(wheelhouse, make_lockfile):
    return make_lockfile(wheelhouse.add("one")), make_lockfile(wheelhouse.add("one", "1.1"), environment="f")


def commits(repository):
    return git.run(repository, "log", "--format=%H", store.REF).text.splitlines()


def test_nothing_is_published_at_first(repository):
    assert store.read(repository) is None
    git.init_bare(repository)
    assert store.read(repository) is None


def test_what_was_published_is_read_back(repository, two):
    commit = store.publish(repository, two[0], expected=None)
    published = store.read(repository)
    assert (published.commit, published.artifact) == (commit, two[0])
    assert published.published_at.endswith("Z")


def test_the_same_files_make_no_commit(repository, two):
    commit = store.publish(repository, two[0], expected=None)
    assert store.publish(repository, two[0], expected=commit) == commit
    assert commits(repository) == [commit]


def test_each_change_is_a_commit_that_says_what_changed(repository, two):
    first = store.publish(repository, two[0], expected=None)
    changes = store.changes(two[0].manifest, two[1].manifest)
    second = store.publish(repository, two[1], expected=first, changes=changes)
    assert commits(repository) == [second, first]
    assert "changed one 1.0 to 1.1" in git.run(repository, "log", "-1", "--format=%B", store.REF).text
    assert store.read(repository).artifact == two[1]


def test_who_comes_second_changes_nothing_and_is_told(repository, two):
    faster = store.publish(repository, two[1], expected=None)
    with pytest.raises(TransientError, match="another lockfile was published") as raised:
        store.publish(repository, two[0], expected=None)
    assert raised.value.reason == "PublishedMeanwhile"
    assert store.commit_of(repository) == faster
    assert store.read(repository).artifact == two[1]


def test_a_death_at_any_step_leaves_the_old_lockfile_and_the_next_run_converges(repository, two, monkeypatch):
    first = store.publish(repository, two[0], expected=None)
    real, died = git.run_process, 0

    class Death(BaseException):
        pass

    for step in range(1, 100):
        calls = 0

        def counted(*args, step=step, **kwargs):
            nonlocal calls
            calls += 1
            if calls == step:
                raise Death
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(git, "run_process", counted)
            try:
                store.publish(repository, two[1], expected=first)
            except Death:
                died += 1
            else:
                break
        assert store.read(repository).artifact == two[0]
    assert died >= 6  # four blobs, a tree, a commit
    assert store.read(repository).artifact == two[1]
    assert len(commits(repository)) == 2


def test_a_locked_ref_is_an_error_and_not_a_lost_race(repository, two):
    first = store.publish(repository, two[0], expected=None)
    (repository / f"{store.REF}.lock").write_text("")
    with pytest.raises(CommandFailed, match="lock"):
        store.publish(repository, two[1], expected=first)


def test_a_lockfile_that_somebody_changed_by_hand_is_not_served(repository, two):
    first = store.publish(repository, two[0], expected=None)
    blob = git.write_blob(repository, b"evil==1.0")
    tree = git.run(repository, "ls-tree", first).text.splitlines()
    forged = [line if "requirements" not in line else f"100644 blob {blob}\trequirements.txt" for line in tree]
    name = git.run(repository, "mktree", stdin=("\n".join(forged) + "\n").encode()).text
    commit = git.run(repository, "commit-tree", name, "-p", first, "-m", "forged").text
    git.run(repository, "update-ref", store.REF, commit)
    with pytest.raises(StateError, match=r"requirements\.txt is damaged"):
        store.read(repository)


def test_changes_name_what_came_went_and_moved(wheelhouse, make_lockfile):
    old = make_lockfile(wheelhouse.add("gone"), wheelhouse.add("moved", "1.0")).manifest
    for path in wheelhouse.root.glob("*.whl"):
        path.unlink()
    new = make_lockfile(wheelhouse.add("moved", "2.0"), wheelhouse.add("new")).manifest
    assert store.changes(old, new) == ("added new 1.0", "removed gone 1.0", "changed moved 1.0 to 2.0")
    assert store.changes(None, new) == ()
