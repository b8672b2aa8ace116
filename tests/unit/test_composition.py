"""Submodules and sparse folders become the tree of a revision; what was published keeps the tree that it had."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.git_servers import http_git
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import composition, git, mirror as mirrors, rebuild, release, submodules, tree, variant
from airlock.credentials import Access
from airlock.errors import AirlockError, StateError, UpstreamError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes

Make = Callable[[str], Upstream]


@pytest.fixture
def library(make_upstream: Make) -> Upstream:
    return make_upstream("library")


def taking(state: State, upstream: Upstream, url: str = "", **settings: object) -> Mirror:
    """Return the mirror of a source with settings."""
    return mirrors.of(state, Source(name="dags", repo_url=url or upstream.url, **settings))  # type: ignore[arg-type]


def compose(mirror: Mirror, state: State) -> str:
    """Fetch and compose as a sync does, and return the revision."""
    access = Access(url=mirror.source.repo_url)
    with mirror.fetching():
        mirror.fetch(access.url, env=access.env)
        revision = mirror.upstream_revision()
        assert revision
        return composition.compose(mirror, revision, access, state.trees("dags"))


def content(mirror: Mirror, state: State, revision: str) -> dict[str, str]:
    """Return what is put on disk for a revision, but for ``.gitmodules``."""
    folder = tree.materialise(mirror.path, revision, state.trees("dags"))
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".gitmodules")
    return {os.fspath(path.relative_to(folder)): path.read_text() for path in files}


def why_not(mirror: Mirror, state: State) -> AirlockError:
    with pytest.raises(AirlockError) as caught:
        compose(mirror, state)
    assert caught.value.hint
    assert caught.value.message.startswith("source dags: ")
    return caught.value


def publish(mirror: Mirror, revision: str) -> None:
    with mirror.locked():
        live = release.live_revision(mirror)
        judged = verdict(revision, tree=tree.composed(mirror.path, revision))
        assert release.publish(mirror, judged, expected=live, who="x", why="x", changes=Changes())


def test_a_submodule_is_part_of_the_tree_at_the_commit_that_is_meant(
    state: State, upstream: Upstream, library: Upstream
) -> None:
    first = library.push({"words.py": "1"})
    library.push({"words.py": "2"})
    upstream.embed("libs/common", library.url, first)
    upstream.push({"a.py": "a", "libs/own.py": "own"})
    mirror = taking(state, upstream, submodules=True)
    revision = compose(mirror, state)
    assert content(mirror, state, revision) == {"a.py": "a", "libs/own.py": "own", "libs/common/words.py": "1"}
    assert composition.left_out(mirror, revision) == ""
    second = library.push({"words.py": "3"})
    upstream.embed("libs/common", library.url, second)
    upstream.push({})
    following = compose(mirror, state)
    assert content(mirror, state, following)["libs/common/words.py"] == "3"
    git.run(mirror.path, "fsck", "--connectivity-only", "--no-dangling")


def test_without_the_setting_submodules_are_left_out_and_that_is_told(
    state: State, upstream: Upstream, library: Upstream
) -> None:
    upstream.embed("libs/common", library.url, library.push({"words.py": "1"}))
    upstream.push({"a.py": "a"})
    mirror = taking(state, upstream)
    revision = compose(mirror, state)
    assert content(mirror, state, revision) == {"a.py": "a"}
    assert tree.composed(mirror.path, revision) == ""
    assert composition.left_out(mirror, revision) == (
        "the source leaves out submodules (libs/common): set submodules to true"
    )


def test_relative_addresses_and_nested_submodules_are_followed(
    state: State, upstream: Upstream, library: Upstream, make_upstream: Make
) -> None:
    deep = make_upstream("deep")
    library.embed("inner", "../deep.git", deep.push({"deep.py": "deep"}))
    upstream.embed("libs", "../library.git", library.push({"words.py": "1"}))
    upstream.push({"a.py": "a"})
    mirror = taking(state, upstream, submodules=True)
    assert content(mirror, state, compose(mirror, state)) == {
        "a.py": "a",
        "libs/words.py": "1",
        "libs/inner/deep.py": "deep",
    }


def test_a_repository_inside_itself_ends_at_a_depth(state: State, upstream: Upstream) -> None:
    upstream.push({"a.py": "0"})
    for _ in range(7):
        upstream.embed("again", "./", upstream.git("rev-parse", "HEAD"))
        upstream.push({})
    error = why_not(taking(state, upstream, submodules=True), state)
    assert error.reason == "SubmoduleRefused"
    assert "submodule again/again/again/again/again/again: submodules are nested deeper than 5" in error.message


@pytest.mark.parametrize(
    ("url", "commit", "reason", "told"),
    [
        ("../library.git", "1" * 40, "RefMissing", "submodule libs ("),
        ("../gone.git", "", "RepositoryMissing", "gone.git, commit "),
        ("http://127.0.0.1:9/x.git", "", "HostUnreachable", "submodule libs (http://127.0.0.1:9/x.git, commit "),
        ("ext::sh -c true", "", "SubmoduleRefused", "submodule libs: ext::sh -c true is not fetched: only https,"),
        ("git://host/x.git", "", "SubmoduleRefused", "git://host/x.git is not fetched"),
        ("../" * 30 + "x.git", "", "SubmoduleRefused", "leads out of"),
        ("--upload-pack=x", "", "SubmoduleRefused", "is not fetched"),
        ("", "", "SubmoduleRefused", ".gitmodules has no path and url of it"),
    ],
)
def test_a_submodule_that_cannot_be_had_is_named_and_live_stays(
    url: str, commit: str, reason: str, told: str, state: State, upstream: Upstream, library: Upstream
) -> None:
    mirror = taking(state, upstream, submodules=True)
    upstream.push({"a.py": "a"})
    live = compose(mirror, state)
    publish(mirror, live)
    known = library.push({"words.py": "1"})
    upstream.embed("libs", url, commit or known)
    upstream.push({"a.py": "b"})
    error = why_not(mirror, state)
    assert (error.reason, told in error.message) == (reason, True), error
    assert release.live_revision(mirror) == live
    upstream.git("config", "--file", ".gitmodules", "submodule.libs.url", library.url)
    upstream.git("update-index", "--cacheinfo", f"160000,{known},libs")
    upstream.push({"a.py": "b"})
    assert content(mirror, state, compose(mirror, state)) == {"a.py": "b", "libs/words.py": "1"}


def test_a_repository_of_another_machine_cannot_reach_into_this_one(
    state: State, upstream: Upstream, library: Upstream, tmp_path: Path
) -> None:
    known = library.push({"words.py": "1"})
    with http_git(tmp_path) as server:
        mirror = taking(state, upstream, server.url(), submodules=True)
        for url in (library.url, f"file://{library.url}"):
            upstream.embed("libs", url, known)
            upstream.push({"a.py": url})
            assert why_not(mirror, state).reason == "SubmoduleRefused"
        upstream.embed("libs", "../library.git", known)
        upstream.push({"a.py": "a"})
        assert content(mirror, state, compose(mirror, state)) == {"a.py": "a", "libs/words.py": "1"}


@pytest.mark.parametrize(
    ("written", "parent", "address"),
    [
        ("../b.git", "https://h/team/a.git", "https://h/team/b.git"),
        ("../../b.git", "https://h/team/a.git/", "https://h/b.git"),
        ("./b", "ssh://git@h:22/a", "ssh://git@h:22/a/b"),
        ("../b.git", "git@h:team/a.git", "git@h:team/b.git"),
        ("../b.git", "git@h:a.git", "git@h:b.git"),
        ("https://other/b.git", "https://h/a.git", "https://other/b.git"),
        ("other:b.git", "https://h/a.git", "other:b.git"),
        ("../b.git", "/srv/a.git", "/srv/b.git"),
    ],
)
def test_addresses_are_understood_as_git_does(
    written: str, parent: str, address: str, state: State, upstream: Upstream
) -> None:
    mirror = taking(state, upstream)
    assert submodules.address(mirror, Access(url=parent), written, parent, path="x", level=0) == address


def test_only_folders_of_sparse_and_the_files_above_them_become_the_tree(state: State, upstream: Upstream) -> None:
    files = ("airlock.toml", "a/one.py", "a/deep/two.py", "b/note", "b/c/three.py", "b/d/no.py", "e/no.py")
    upstream.push(dict.fromkeys(files, "x"))
    mirror = taking(state, upstream, sparse=("a", "b/c"))
    revision = compose(mirror, state)
    assert set(content(mirror, state, revision)) == {
        "airlock.toml",
        "a/one.py",
        "a/deep/two.py",
        "b/note",
        "b/c/three.py",
    }
    assert composition.left_out(mirror, revision) == "the source takes only a, b/c: add a folder to sparse"


def test_a_submodule_outside_of_sparse_is_not_fetched(state: State, upstream: Upstream, library: Upstream) -> None:
    known = library.push({"words.py": "1"})
    upstream.embed("elsewhere/far", "../gone.git", known)
    upstream.embed("libs", library.url, known)
    upstream.push({"dags/a.py": "a"})
    mirror = taking(state, upstream, submodules=True, sparse=("dags", "libs"))
    assert content(mirror, state, compose(mirror, state)) == {"dags/a.py": "a", "libs/words.py": "1"}


def test_a_folder_of_sparse_that_is_not_there_is_named(state: State, upstream: Upstream) -> None:
    upstream.push({"dags/a.py": "a"})
    error = why_not(taking(state, upstream, sparse=("dags", "dagz")), state)
    assert isinstance(error, StateError)
    assert (error.reason, "has no directory 'dagz', which sparse names" in error.message) == ("FolderMissing", True)


def test_another_setting_counts_at_once_for_what_is_not_published_and_never_for_what_is(
    state: State, upstream: Upstream
) -> None:
    upstream.push({"a/x.py": "1", "b/x.py": "1"})
    one, both = taking(state, upstream, sparse=("a",)), taking(state, upstream)
    revision = compose(one, state)
    assert set(content(one, state, revision)) == {"a/x.py"}
    assert compose(both, state) == revision
    assert set(content(both, state, revision)) == {"a/x.py", "b/x.py"}
    compose(one, state)
    publish(one, revision)
    following = compose(both, state)
    assert (set(content(both, state, revision)), set(content(both, state, following))) == (
        {"a/x.py"},
        {"a/x.py", "b/x.py"},
    )
    assert compose(both, state) == following
    assert (variant.upstreams(both, following), variant.upstreams(both, revision)) == (revision, revision)
    publish(both, following)
    assert (compose(one, state), compose(both, state)) == (revision, following)


def test_a_rebuilt_mirror_has_composed_trees_and_drops_a_release_whose_tree_is_lost(
    state: State, upstream: Upstream, library: Upstream
) -> None:
    mirror = taking(state, upstream, submodules=True)
    revisions = []
    for number in range(3):
        upstream.embed("libs", library.url, library.push({"words.py": f"{number}"}))
        upstream.push({"a.py": "a"})
        revisions.append(compose(mirror, state))
        publish(mirror, revisions[-1])
    lost = tree.entries(mirror.path, revisions[0])["libs/words.py"].sha
    (mirror.path / "objects" / lost[:2] / lost[2:]).unlink(missing_ok=True)
    assert git.run(mirror.path, "cat-file", "-e", lost, check=False).status != 0
    with mirror.fetching():
        rebuild.rebuild(mirror, upstream.url, env={})
    assert [one.number for one in release.history(mirror)] == [3, 2]
    for number in (1, 2):
        assert content(mirror, state, revisions[number]) == {"a.py": "a", "libs/words.py": f"{number}"}


def test_live_is_not_carried_over_without_its_tree(state: State, upstream: Upstream, library: Upstream) -> None:
    mirror = taking(state, upstream, submodules=True)
    upstream.embed("libs", library.url, library.push({"words.py": "1"}))
    upstream.push({"a.py": "a"})
    revision = compose(mirror, state)
    publish(mirror, revision)
    lost = tree.entries(mirror.path, revision)["libs/words.py"].sha
    (mirror.path / "objects" / lost[:2] / lost[2:]).unlink()
    with mirror.fetching(), pytest.raises(StateError, match="has live commit"):
        rebuild.rebuild(mirror, upstream.url, env={})
    assert tree.composed(mirror.path, revision)


def test_trees_of_what_was_never_published_are_pruned(state: State, upstream: Upstream) -> None:
    mirror = taking(state, upstream, sparse=("a",))
    revisions = []
    for number in range(4):
        upstream.push({"a/x.py": f"{number}", "b/x.py": "1"})
        revisions.append(compose(mirror, state))
    publish(mirror, revisions[0])
    assert composition.prune(mirror, keep=(revisions[3], None)) == 2
    has = [bool(tree.composed(mirror.path, revision)) for revision in revisions]
    assert has == [True, False, False, True]


def test_a_shallow_source_has_the_newest_commits_and_every_release(state: State, upstream: Upstream) -> None:
    mirror = taking(state, upstream, depth=2)
    revisions = []
    for number in range(5):
        upstream.push({"a.py": f"{number}"})
        revisions.append(compose(mirror, state))
        publish(mirror, revisions[-1])
    assert git.run(mirror.path, "rev-list", "--count", "refs/remotes/origin/main").text == "2"
    for number, revision in enumerate(revisions):
        assert content(mirror, state, revision)["a.py"] == f"{number}"
    git.run(mirror.path, "fsck", "--connectivity-only", "--no-dangling")


def test_an_older_commit_or_another_branch_is_not_in_a_shallow_source_and_that_is_told(
    state: State, upstream: Upstream
) -> None:
    first = upstream.push({"a.py": "1"})
    upstream.push({"a.py": "2"})
    upstream.push({"a.py": "3"})
    upstream.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")
    mirror = taking(state, upstream, depth=1)
    compose(mirror, state)
    assert git.run(mirror.path, "rev-list", "--count", "--all").text == "1"
    for ref in (first, "topic"):
        with pytest.raises(UpstreamError, match="of branch 'main' only the newest 1 commits were fetched") as caught:
            mirror.resolve(ref)
        assert caught.value.hint == "raise depth, or leave it out"


def test_another_depth_and_none_fetch_what_was_left_out(state: State, upstream: Upstream) -> None:
    first = upstream.push({"a.py": "1"})
    for number in range(4):
        upstream.push({"a.py": f"{number}"})
    upstream.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")

    def commits(depth: int) -> int:
        mirror = taking(state, upstream, depth=depth)
        compose(mirror, state)
        return int(git.run(mirror.path, "rev-list", "--count", "refs/remotes/origin/main").text)

    assert [commits(depth) for depth in (1, 3, 2, 0)] == [1, 3, 2, 5]
    whole = taking(state, upstream)
    assert whole.resolve(first) == first
    assert whole.resolve("topic")
    assert not (whole.path / "shallow").exists()
    compose(taking(state, upstream, depth=1), state)
    with pytest.raises(UpstreamError):
        whole.resolve("topic")  # what is not fetched any more is not kept as if it were new


@pytest.mark.parametrize(
    ("settings", "reason"), [({"branch": "gone"}, "BranchMissing"), ({"branch": "", "tag": "gone"}, "RefMissing")]
)
def test_what_is_followed_and_deleted_is_told_of_a_shallow_source_too(
    settings: dict[str, str], reason: str, state: State, upstream: Upstream
) -> None:
    upstream.push({"a.py": "1"})
    error = why_not(taking(state, upstream, depth=1, **settings), state)
    assert (error.reason, "upstream has no" in error.message) == (reason, True)


def test_tags_patterns_and_commits_can_be_shallow(state: State, upstream: Upstream) -> None:
    upstream.push({"a.py": "0"})
    for tag in ("v1", "v2"):
        revision = upstream.push({"a.py": tag})
        upstream.git("tag", tag)
        upstream.git("push", "--quiet", "origin", tag)
    upstream.push({"a.py": "later"})
    for settings in ({"tag": "v2"}, {"tag": "v*"}, {"commit": revision}):
        mirror = taking(replace(state, root=state.root / "".join(settings.values())[:2]), upstream, depth=1, **settings)
        assert compose(mirror, state) == revision
        assert git.run(mirror.path, "rev-list", "--count", revision).text == "1"


def test_a_shallow_mirror_that_is_damaged_is_made_again(state: State, upstream: Upstream) -> None:
    mirror = taking(state, upstream, depth=1)
    revisions = []
    for number in range(3):
        upstream.push({"a.py": f"{number}"})
        revisions.append(compose(mirror, state))
        publish(mirror, revisions[-1])
    with mirror.fetching():
        rebuild.rebuild(mirror, upstream.url, env={})
    assert [one.number for one in release.history(mirror)] == [3, 2, 1]
    for number, revision in enumerate(revisions):
        assert content(mirror, state, revision) == {"a.py": f"{number}"}
    upstream.push({"a.py": "next"})
    compose(mirror, state)
