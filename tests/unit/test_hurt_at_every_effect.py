"""Fetch, verdict, tree, publish, repair and clean-up, each killed and hindered at every one of its effects.

After each the same is done again without harm, and all is as if nothing had happened: live was never lost, and nothing
was left behind.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults import Way, hurt_at_each_effect
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import composition, git, manifest, mirror as mirrors, rebuild, release, scratch, tree
from airlock.credentials import Access
from airlock.housekeeping import repositories, trees
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes

Fetch = Callable[[], str | None]
WAYS: tuple[Way, ...] = ("kill", "no space", "broken disk")


@pytest.fixture
def revisions(mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch) -> list[str]:
    """Three commits, of which the first is live."""
    made = []
    for number in range(3):
        made.append(upstream.push({"etl.py": f"{number}", "same.py": "same", f"new_{number}.py": "new"}))
        if number == 0:
            fetch()
            publish(mirror, made[0])
    fetch()
    tree.materialise(mirror.path, made[0], state.trees("dags"))
    return made


def publish(mirror: Mirror, revision: str) -> release.Release | None:
    with mirror.locked():
        live = release.live_revision(mirror)
        return release.publish(mirror, verdict(revision), expected=live, who="x", why="x", changes=Changes())


@pytest.mark.parametrize("way", WAYS)
def test_a_fetch(way: Way, mirror: Mirror, upstream: Upstream, fetch: Fetch, revisions: list[str]) -> None:
    for effects in hurt_at_each_effect(way, fetch):
        assert release.live_revision(mirror) == revisions[0]
        following = upstream.push({"etl.py": f"after effect {effects}"})
        assert fetch() == following
        assert_whole(mirror)
    assert effects


@pytest.mark.parametrize("way", WAYS)
def test_the_first_fetch_of_all(way: Way, mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch) -> None:
    revision = upstream.push({"etl.py": "1"})
    for effects in hurt_at_each_effect(way, fetch):  # noqa: B007 - counted
        assert fetch() == revision
        assert_whole(mirror)
        assert {path.name for path in state.sources.iterdir()} == {"dags.git", "dags.lock", "dags.fetch", ".staging"}
        shutil.rmtree(state.root)
    assert effects


@pytest.mark.parametrize("way", WAYS)
def test_the_writing_of_a_verdict_and_a_record(way: Way, mirror: Mirror, revisions: list[str]) -> None:
    def write() -> None:
        with mirror.locked():
            mirror.write_verdict(verdict(revisions[1], result="rejected"))
            mirror.write_record("sync", {"result": "rejected"})
            mirror.mark_judged(revisions[1])

    for effects in hurt_at_each_effect(way, write):  # noqa: B007 - counted
        assert mirror.read_verdict(revisions[1]) in (None, verdict(revisions[1], result="rejected"))
        assert mirror.judged_revision() in (None, revisions[1])
        assert release.live_revision(mirror) == revisions[0]
        assert_whole(mirror)
    assert effects > 5
    write()
    assert mirror.judged_revision() == revisions[1]


@pytest.mark.parametrize("way", WAYS)
def test_a_publish(way: Way, mirror: Mirror, revisions: list[str]) -> None:
    published = 1

    def publish_another() -> None:
        publish(mirror, revisions[1] if release.live_revision(mirror) != revisions[1] else revisions[2])

    for effects in hurt_at_each_effect(way, publish_another):  # noqa: B007 - counted
        history = release.history(mirror)
        assert history[0].revision == release.live_revision(mirror)
        assert [one.number for one in history] == list(range(len(history), 0, -1))
        assert len(history) - published in (0, 1)
        published = len(history)
        assert_whole(mirror)
    assert effects > 3
    assert publish(mirror, revisions[0])


@pytest.mark.parametrize("way", WAYS)
def test_the_making_of_a_tree(way: Way, mirror: Mirror, state: State, revisions: list[str]) -> None:
    first, following, _ = revisions
    place = state.trees("dags")

    def make() -> Path:
        return tree.materialise(mirror.path, following, place, subdir="dags", previous=first)

    for effects in hurt_at_each_effect(way, make):  # noqa: B007 - counted
        assert not (place / following).exists() or manifest.damage(place / following) == frozenset()
        assert content(make()) == {"etl.py": "1", "same.py": "same", "new_0.py": "new", "new_1.py": "new"}
        assert content(place / first) == {"etl.py": "0", "same.py": "same", "new_0.py": "new"}
        assert (manifest.damage(place / following), manifest.subdir(place / following)) == (frozenset(), "dags")
        assert_nothing_is_left(state, {first, following})
        shutil.rmtree(place / following)
    assert effects > 10


@pytest.mark.parametrize("way", WAYS)
def test_the_mending_of_a_tree(way: Way, mirror: Mirror, state: State, revisions: list[str]) -> None:
    place = state.trees("dags")
    made = place / revisions[0]

    def mend() -> object:
        return tree.mend(mirror.path, revisions[0], place)

    def damage() -> None:
        (made / "etl.py").write_text("tampered with")
        (made / "same.py").unlink(missing_ok=True)
        (made / "added.py").touch()

    damage()
    for effects in hurt_at_each_effect(way, mend):  # noqa: B007 - counted
        mend()
        assert content(made) == {"etl.py": "0", "same.py": "same", "new_0.py": "new"}
        assert_nothing_is_left(state, {revisions[0]})
        damage()
    assert effects > 8


@pytest.mark.parametrize("way", WAYS)
def test_the_removal_of_old_trees(way: Way, mirror: Mirror, state: State, revisions: list[str]) -> None:
    place = state.trees("dags")
    for revision in revisions[1:]:
        publish(mirror, revision)
        tree.materialise(mirror.path, revision, place)

    def prune() -> object:
        return trees.remove_old(state, mirror, keep=1, needed=frozenset, dry_run=False)

    for effects in hurt_at_each_effect(way, prune):  # noqa: B007 - counted
        assert manifest.damage(place / revisions[2]) == frozenset()
        prune()
        assert_nothing_is_left(state, {revisions[2]})
        for revision in revisions[:2]:
            assert content(tree.materialise(mirror.path, revision, place))["same.py"] == "same"
    assert effects > 3


@pytest.mark.parametrize("way", WAYS)
def test_the_composition_of_a_tree(
    way: Way, state: State, upstream: Upstream, make_upstream: Callable[[str], Upstream]
) -> None:
    library = make_upstream("library")
    mirror = mirrors.of(state, Source(name="dags", repo_url=upstream.url, submodules=True, sparse=("dags", "libs")))
    access, place = Access(url=upstream.url), state.trees("dags")

    def push(number: int) -> str:
        upstream.embed("libs", library.url, library.push({"words.py": f"{number}"}))
        return upstream.push({"dags/etl.py": f"{number}", "notes/no.py": ""})

    def compose() -> None:
        with mirror.fetching():
            mirror.fetch(upstream.url, env={})
            composition.compose(mirror, str(mirror.upstream_revision()), access, place)

    live = push(0)
    compose()
    judged = verdict(live, tree=tree.composed(mirror.path, live))
    with mirror.locked():
        release.publish(mirror, judged, expected=None, who="x", why="x", changes=Changes())
    following = push(1)
    for effects in hurt_at_each_effect(way, compose):
        compose()
        for number, revision in ((0, live), (effects, following)):
            made = content(tree.materialise(mirror.path, revision, place))
            assert made.pop(".gitmodules")
            assert made == {"dags/etl.py": f"{number}", "libs/words.py": f"{number}"}
        assert_whole(mirror)
        assert_nothing_is_left(state, {live, following})
        tree.remove(place / following)
        following = push(effects + 1)
    assert effects > 8
    assert list((state.sources / ".staging").iterdir()) == []


@pytest.mark.parametrize("way", WAYS)
def test_the_pruning_of_composed_trees(way: Way, state: State, upstream: Upstream) -> None:
    mirror = mirrors.of(state, Source(name="dags", repo_url=upstream.url, sparse=("dags",)))
    access, place = Access(url=upstream.url), state.trees("dags")
    made = []
    for number in range(3):
        made.append(upstream.push({"dags/etl.py": f"{number}", "notes/no.py": ""}))
        with mirror.fetching():
            mirror.fetch(upstream.url, env={})
            composition.compose(mirror, made[-1], access, place)
    judged = verdict(made[0], tree=tree.composed(mirror.path, made[0]))
    with mirror.locked():
        release.publish(mirror, judged, expected=None, who="x", why="x", changes=Changes())
    for effects in hurt_at_each_effect(way, lambda: composition.prune(mirror, keep=(made[2],))):  # noqa: B007 - counted
        composition.prune(mirror, keep=(made[2],))
        assert [bool(tree.composed(mirror.path, revision)) for revision in made] == [True, False, True]
        assert_whole(mirror)
        with mirror.fetching():
            composition.compose(mirror, made[1], access, place)
    assert effects


@pytest.mark.parametrize("way", WAYS)
def test_the_packing_of_a_mirror(way: Way, mirror: Mirror, revisions: list[str]) -> None:
    def pack() -> None:
        with mirror.alone():
            repositories.pack(mirror.path)

    for effects in hurt_at_each_effect(way, pack):  # noqa: B007 - counted
        assert release.live_revision(mirror) == revisions[0]
        assert_whole(mirror)
        pack()
    assert effects


@pytest.mark.parametrize("way", WAYS)
def test_the_rebuilding_of_a_damaged_mirror(
    way: Way, mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch, revisions: list[str]
) -> None:
    def make_again() -> None:
        with mirror.fetching():
            rebuild.rebuild(mirror, upstream.url, env={})

    for effects in hurt_at_each_effect(way, make_again):  # noqa: B007 - counted
        make_again()
        assert release.live_revision(mirror) == revisions[0]
        assert [one.number for one in release.history(mirror)] == [1]
        assert_whole(mirror)
        assert {path.name for path in state.sources.iterdir()} == {
            "dags.git",
            "dags.lock",
            "dags.fetch",
            "dags.damaged",
            ".staging",
        }
    assert effects > 5
    assert fetch() == revisions[2]


def assert_whole(mirror: Mirror) -> None:
    with mirror.locked():  # whoever comes next removes the locks of a killed git
        git.run(mirror.path, "fsck", "--connectivity-only", "--no-dangling")


def assert_nothing_is_left(state: State, revisions: set[str]) -> None:
    with scratch.directory(state.trees("dags").with_name("staging")):
        pass  # whoever uses the folder next removes what a killed process left there
    assert {path.name for path in state.trees("dags").iterdir()} == revisions
    assert list(state.trees("dags").with_name("staging").iterdir()) == []
    assert manifest.revisions(state.trees("dags")) >= revisions


def content(folder: Path) -> dict[str, str]:
    return {os.fspath(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
