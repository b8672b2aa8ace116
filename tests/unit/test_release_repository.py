"""Releases reach the release repository before they are recorded, and the state agrees with it after any accident."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faults import Way, hurt_at_each_effect
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import agreement, composition, git, hold, mirror as mirrors, release, rollback, supply, tree
from airlock.credentials import Access
from airlock.errors import AirlockError, OperatorError, StateError, TransientError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes

WAYS: tuple[Way, ...] = ("kill", "no space", "broken disk")


@pytest.fixture
def releases(make_upstream: Callable[[str], Upstream]) -> Upstream:
    """An empty release repository."""
    return make_upstream("releases")


@pytest.fixture
def mirror(state: State, upstream: Upstream, releases: Upstream) -> Mirror:
    """A mirror whose releases are pushed."""
    return of(state, upstream, releases)


def of(state: State, upstream: Upstream, releases: Upstream) -> Mirror:
    return mirrors.of(state, Source(name="dags", repo_url=upstream.url, release_url=releases.url))


def fetch(mirror: Mirror) -> None:
    with mirror.fetching():
        mirror.fetch(mirror.source.repo_url, env={})


def publish(mirror: Mirror, revision: str) -> release.Release | None:
    with mirror.locked():
        live = release.live_revision(mirror)
        return release.publish(mirror, verdict(revision), expected=live, who="x", why="x", changes=Changes())


def there(releases: Upstream) -> dict[str, str]:
    listed = git.run(Path(releases.url), "for-each-ref", "--format=%(refname) %(objectname)").text
    return dict(line.split(" ") for line in listed.splitlines())


def refuse(releases: Upstream, said: str) -> Path:
    hook = Path(releases.url) / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    hook.chmod(0o755)
    return hook


def test_a_release_is_there_with_its_tag_and_nothing_else(
    mirror: Mirror, upstream: Upstream, releases: Upstream
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch(mirror)
    mirror.write_record("sync", {"secret": "of the state"})
    publish(mirror, revision)
    assert there(releases) == release.refs(mirror)
    assert set(there(releases)) == {"refs/heads/live", "refs/tags/release/1"}
    assert there(releases)["refs/heads/live"] == revision


def test_a_rollback_is_there_too_though_it_goes_back(
    mirror: Mirror, state: State, upstream: Upstream, releases: Upstream
) -> None:
    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    fetch(mirror)
    publish(mirror, first)
    publish(mirror, second)
    assert rollback.roll_back(mirror, state, who="dora", why="").reason == "RolledBack"
    assert there(releases)["refs/heads/live"] == first
    assert there(releases) == release.refs(mirror)


def test_without_the_repository_nothing_goes_live_and_a_rollback_is_refused(
    mirror: Mirror, state: State, upstream: Upstream, releases: Upstream
) -> None:
    first, second, third = (upstream.push({"a.py": str(number)}) for number in range(3))
    fetch(mirror)
    publish(mirror, first)
    publish(mirror, second)
    before = release.refs(mirror)
    Path(releases.url).rename(f"{releases.url}.away")
    with pytest.raises(TransientError, match="source dags: release repository: push failed") as caught:
        publish(mirror, third)
    assert "nothing is published" in caught.value.message
    assert "release_conn_id" in caught.value.hint
    assert caught.value.reason == "RepositoryMissing"
    with pytest.raises(TransientError, match="release repository"):
        rollback.roll_back(mirror, state, who="dora", why="")
    assert release.refs(mirror) == before
    assert hold.read(mirror) is None
    Path(f"{releases.url}.away").rename(releases.url)
    assert publish(mirror, third)
    assert there(releases) == release.refs(mirror)


def test_nobody_waits_for_the_lock_while_the_server_takes_its_time(
    mirror: Mirror, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch(mirror)
    publish(mirror, revision)
    original = git.run_upstream

    def while_it_is_asked(*args: str, **options: object) -> object:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(takes_the_lock, mirror).result(timeout=10)
        return original(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(git, "run_upstream", while_it_is_asked)
    agreement.agree(mirror)


def takes_the_lock(mirror: Mirror) -> bool:
    with mirror.locked():
        return True


def test_what_a_hook_of_the_server_says_is_told(mirror: Mirror, upstream: Upstream, releases: Upstream) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch(mirror)
    hook = refuse(releases, "no space left on device: ask the platform team")
    with pytest.raises(OperatorError, match="ask the platform team") as caught:
        publish(mirror, revision)
    assert caught.value.reason == "ReleaseRefused"
    assert release.live_revision(mirror) is None
    assert there(releases) == {}
    hook.unlink()
    assert publish(mirror, revision)


def test_releases_from_before_the_setting_are_all_pushed(state: State, upstream: Upstream, releases: Upstream) -> None:
    alone = mirrors.of(state, Source(name="dags", repo_url=upstream.url))
    revisions = [upstream.push({"a.py": str(number)}) for number in range(3)]
    fetch(alone)
    for revision in revisions:
        publish(alone, revision)
    mirror = of(state, upstream, releases)
    agreement.agree(mirror)
    assert there(releases) == release.refs(mirror)
    assert len(there(releases)) == 4


def test_very_many_releases_are_pushed_in_parts(
    mirror: Mirror, upstream: Upstream, releases: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airlock.release_repository._AT_ONCE", 2)
    alone = Mirror(path=mirror.path, source=Source(name="dags", repo_url=upstream.url))
    revisions = [upstream.push({"a.py": str(number)}) for number in range(5)]
    fetch(alone)
    for revision in revisions:
        publish(alone, revision)
    agreement.agree(mirror)
    assert there(releases) == release.refs(mirror)


def test_a_state_that_lost_its_newest_releases_takes_them_over(
    mirror: Mirror, state: State, upstream: Upstream, releases: Upstream
) -> None:
    revisions = [upstream.push({"a.py": str(number)}) for number in range(3)]
    fetch(mirror)
    publish(mirror, revisions[0])
    shutil.copytree(mirror.path, state.root / "backup")
    publish(mirror, revisions[1])
    publish(mirror, revisions[2])
    after = release.refs(mirror)
    shutil.rmtree(mirror.path)
    (state.root / "backup").rename(mirror.path)
    agreement.agree(mirror)
    assert release.refs(mirror) == after == there(releases)
    assert release.live_revision(mirror) == revisions[2]
    git.run(mirror.path, "fsck", "--connectivity-only", "--no-dangling")


def test_a_new_state_takes_over_all_releases_and_the_hold_of_a_rollback(
    mirror: Mirror, state: State, upstream: Upstream, releases: Upstream
) -> None:
    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    fetch(mirror)
    publish(mirror, first)
    publish(mirror, second)
    rollback.roll_back(mirror, state, who="dora", why="numbers are off")
    new = of(State(root=state.root / "new"), upstream, releases)
    agreement.agree(new)
    assert release.refs(new) == release.refs(mirror)
    held = hold.read(new)
    assert held is not None
    assert (held.who, held.why) == ("dora", "numbers are off")


def test_two_states_that_published_differently_are_told_apart(
    mirror: Mirror, state: State, upstream: Upstream, releases: Upstream
) -> None:
    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    fetch(mirror)
    publish(mirror, first)
    alone = mirrors.of(State(root=state.root / "new"), Source(name="dags", repo_url=upstream.url))
    fetch(alone)
    publish(alone, second)
    other = Mirror(path=alone.path, source=mirror.source)
    ours, theirs = release.refs(other), there(releases)
    with pytest.raises(StateError, match="has another release 1") as caught:
        agreement.agree(other)
    assert caught.value.reason == "ReleasesDiverged"
    for sha in (ours["refs/tags/release/1"], theirs["refs/tags/release/1"]):
        assert sha[:12] in caught.value.message
    with pytest.raises(StateError) as at_push:
        publish(other, first)
    assert at_push.value.reason == "ReleasesDiverged"
    assert f"release 1 ({theirs['refs/tags/release/1'][:12]}) and live {first[:12]}" in at_push.value.message
    assert f"release 1 ({ours['refs/tags/release/1'][:12]}) and live {second[:12]}" in at_push.value.message
    assert (release.refs(other), there(releases)) == (ours, theirs)


def test_a_branch_live_of_somebody_else_is_left_alone(mirror: Mirror, upstream: Upstream, releases: Upstream) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch(mirror)
    foreign = releases.push({"theirs.txt": "theirs"}, branch="live")
    for attempt in (lambda: agreement.agree(mirror), lambda: publish(mirror, revision)):
        with pytest.raises(StateError) as caught:
            attempt()
        assert caught.value.reason == "ReleasesDiverged"
    assert there(releases) == {"refs/heads/live": foreign}


def test_a_branch_live_that_was_moved_by_hand_is_put_back(
    mirror: Mirror, upstream: Upstream, releases: Upstream
) -> None:
    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    fetch(mirror)
    publish(mirror, first)
    publish(mirror, second)
    git.run(Path(releases.url), "update-ref", "refs/heads/live", first)
    agreement.agree(mirror)
    assert there(releases) == release.refs(mirror)


@pytest.mark.parametrize("way", WAYS)
def test_a_publish_that_is_hurt_leaves_what_the_next_sync_mends(
    way: Way, mirror: Mirror, upstream: Upstream, releases: Upstream
) -> None:
    revisions = [upstream.push({"a.py": str(number)}) for number in range(3)]
    fetch(mirror)
    publish(mirror, revisions[0])

    def publish_another() -> None:
        publish(mirror, revisions[1] if release.live_revision(mirror) != revisions[1] else revisions[2])

    ahead = 0
    for effects in hurt_at_each_effect(way, publish_another):  # noqa: B007 - counted
        ours, theirs = release.refs(mirror), there(releases)
        assert ours.keys() <= theirs.keys()  # what is live here is there
        ahead += ours != theirs
        agreement.agree(mirror)
        assert release.refs(mirror) == there(releases) == theirs
        assert [one.number for one in release.history(mirror)] == list(range(len(theirs) - 1, 0, -1))
        with mirror.locked():
            git.run(mirror.path, "fsck", "--connectivity-only", "--no-dangling")
    assert effects > 4
    assert ahead  # a crash between the push and the transaction was among them
    assert publish(mirror, revisions[0])


@pytest.mark.parametrize("way", WAYS)
def test_taking_over_can_be_hurt_too(
    way: Way, mirror: Mirror, state: State, upstream: Upstream, releases: Upstream, tmp_path: Path
) -> None:
    revisions = [upstream.push({"a.py": str(number)}) for number in range(3)]
    fetch(mirror)
    for revision in revisions:
        publish(mirror, revision)
    new = of(State(root=tmp_path / "new"), upstream, releases)

    for effects in hurt_at_each_effect(way, lambda: agreement.agree(new)):  # noqa: B007 - counted
        assert release.live_revision(new) in (None, revisions[2])
        assert bool(release.history(new)) == bool(release.live_revision(new))
        agreement.agree(new)
        assert release.refs(new) == there(releases) == release.refs(mirror)
        shutil.rmtree(new.path)
    assert effects > 4


def test_a_server_that_takes_a_release_and_answers_too_late(
    mirror: Mirror, upstream: Upstream, releases: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch(mirror)
    monkeypatch.setattr("airlock.release_repository._PUSH_S", 5)
    hook = Path(releases.url) / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\nsleep 60\n")
    hook.chmod(0o755)
    with pytest.raises(TransientError, match="nothing is published here meanwhile") as caught:
        publish(mirror, revision)
    assert caught.value.reason == "TimedOut"
    assert release.live_revision(mirror) is None
    agreement.agree(mirror)
    assert release.live_revision(mirror) == revision
    assert there(releases) == release.refs(mirror)


def test_a_password_is_never_shown(state: State, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://dora:s3cret@127.0.0.1:9/releases.git"
    mirror = mirrors.of(state, Source(name="dags", repo_url=upstream.url, release_url=url))
    revision = upstream.push({"a.py": "1"})
    fetch(mirror)
    with pytest.raises(AirlockError) as caught:
        publish(mirror, revision)
    assert caught.value.reason == "HostUnreachable"
    assert "s3cret" not in str(caught.value)
    assert not any(b"s3cret" in path.read_bytes() for path in mirror.path.rglob("*") if path.is_file())
    assert "s3cret" not in str(os.environ)


def test_a_composed_tree_is_there_with_its_release_and_comes_back_from_there(
    tmp_path: Path, upstream: Upstream, releases: Upstream, state: State
) -> None:
    source = Source(name="dags", repo_url=upstream.url, release_url=releases.url, sparse=("dags",))
    mirror = mirrors.of(state, source)
    revision = upstream.push({"dags/a.py": "1", "large/data": "2"})
    with mirror.fetching():
        mirror.fetch(upstream.url, env={})
        composition.compose(mirror, revision, Access(url=upstream.url), state.trees("dags"))
    publish(mirror, revision)
    assert set(there(releases)) == {"refs/heads/live", "refs/tags/release/1", f"refs/trees/{revision}"}
    assert there(releases) == release.refs(mirror)

    worker = State(root=tmp_path / "worker")
    supply.provide(worker, source, revision)
    made = worker.trees("dags") / revision
    assert sorted(path.name for path in made.rglob("*")) == ["a.py", "dags"]

    assert rollback_to_itself(mirror, state, upstream) == revision
    shutil.rmtree(mirror.path)
    fetch(mirror)
    agreement.agree(mirror)
    assert there(releases) == release.refs(mirror)
    assert tree.composed(mirror.path, revision)


def rollback_to_itself(mirror: Mirror, state: State, upstream: Upstream) -> str:
    """Publish another revision, whose tree is the commit's own, and go back; return what is live then."""
    plain = upstream.push({"large/data": None})
    fetch(mirror)
    publish(mirror, plain)
    rollback.roll_back(mirror, state, who="dora", why="")
    return str(release.live_revision(mirror))
