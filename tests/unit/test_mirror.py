from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from tests.upstream import Upstream
from tests.verdicts import dag, verdict

from airlock import git, pointer, rebuild, release
from airlock.errors import StateError, UpstreamError
from airlock.mirror import Mirror
from airlock.verdict import Changes

Fetch = Callable[[], str | None]


def test_fetch_follows_forwards_backwards_and_sideways(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    first = upstream.push({"a.py": "1"})
    assert fetch() == first
    second = upstream.push({"a.py": "2"})
    assert fetch() == second
    upstream.git("reset", "--quiet", "--hard", first)
    upstream.git("push", "--quiet", "--force", "origin", "main")
    assert fetch() == first
    rewritten = upstream.push({"a.py": "3"})
    assert fetch() == rewritten


def test_a_branch_that_became_a_folder_of_branches_is_followed(upstream: Upstream, fetch: Fetch) -> None:
    upstream.push({"a.py": "1"})
    upstream.push({"a.py": "2"}, branch="topic")
    fetch()
    upstream.git("push", "--quiet", "origin", ":topic")
    upstream.push({"a.py": "3"}, branch="topic/one")
    assert fetch() is not None


def test_branch_tag_and_commit_are_resolved(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    revision = upstream.push({"a.py": "1"})
    upstream.git("tag", "-a", "-m", "first", "v1")
    upstream.git("push", "--quiet", "origin", "v1")
    fetch()
    assert {mirror.resolve(ref) for ref in ("main", "v1", revision, revision[:9])} == {revision}
    with pytest.raises(UpstreamError, match="source dags: upstream has no branch, tag or commit 'v2'"):
        mirror.resolve("v2")


def test_a_deleted_branch_is_an_error_and_live_stays(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    revision = publish_first(mirror, upstream, fetch)
    upstream.git("push", "--quiet", "origin", "main:other")
    upstream.git("-C", upstream.url, "symbolic-ref", "HEAD", "refs/heads/other")
    upstream.git("push", "--quiet", "origin", ":main")
    with pytest.raises(UpstreamError, match="upstream has no branch 'main'") as caught:
        fetch()
    assert caught.value.reason == "BranchMissing"
    assert release.live_revision(mirror) == revision


def test_a_tag_of_upstream_cannot_look_like_a_release(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    upstream.push({"a.py": "1"})
    upstream.git("tag", "release/1")
    upstream.git("push", "--quiet", "origin", "release/1")
    fetch()
    assert release.history(mirror) == []


def test_verdicts_and_records_come_back_as_they_were_written(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    judged = verdict(revision, dags=(dag("etl", tags=("a", "b")),), inputs={"etl.py": ("etl.py", "helpers/ü.py")})
    with mirror.locked():
        mirror.write_verdict(verdict(revision, result="rejected"))
        mirror.write_verdict(judged)
        mirror.write_record("hold", {"who": "dora"})
    assert mirror.read_verdict(revision) == judged
    assert mirror.read_record("hold") == {"who": "dora"}
    with mirror.locked():
        mirror.write_record("hold", None)
    assert mirror.read_record("hold") is None


def test_a_damaged_mirror_is_made_again_and_keeps_what_is_live(
    mirror: Mirror, upstream: Upstream, fetch: Fetch
) -> None:
    revision = publish_first(mirror, upstream, fetch)
    upstream.push({"a.py": "2"})
    for pack in (mirror.path / "objects").rglob("*"):
        if pack.is_file():
            pack.chmod(0o644)
            pack.write_bytes(b"")
    with mirror.fetching():
        with pytest.raises(StateError) as caught:
            mirror.fetch(upstream.url, env={})
        assert caught.value.reason == "MirrorDamaged"
        rebuild.rebuild(mirror, upstream.url, env={})
    assert release.live_revision(mirror) == revision
    assert fetch() != revision


def test_a_mirror_is_not_made_again_at_the_price_of_live(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    revision = publish_first(mirror, upstream, fetch)
    upstream.git("checkout", "--quiet", "--orphan", "fresh")
    upstream.push({"b.py": "rewritten"})
    shutil.rmtree(upstream.clone.with_name("upstream.git") / "objects" / revision[:2])
    shutil.rmtree(mirror.path / "objects")
    (mirror.path / "objects").mkdir()
    with mirror.fetching(), pytest.raises(StateError, match=f"has live commit {revision}"):
        rebuild.rebuild(mirror, upstream.url, env={})
    assert pointer.live(mirror.path) == revision


def test_locks_that_a_killed_git_left_do_not_stop_the_next_sync(
    mirror: Mirror, upstream: Upstream, fetch: Fetch
) -> None:
    publish_first(mirror, upstream, fetch)
    for name in ("HEAD.lock", "packed-refs.lock", "packed-refs.new", "refs/heads/live.lock", "config.lock"):
        (mirror.path / name).touch()
    second = upstream.push({"a.py": "2"})
    assert fetch() == second
    with mirror.locked():
        mirror.mark_judged(second)
        mirror.write_record("hold", {"who": "dora"})
        git.run(mirror.path, "pack-refs", "--all")
        mirror.write_record("hold", None)
    assert mirror.judged_revision() == second


def test_locks_of_a_fetch_that_is_under_way_stay_and_go_with_it(
    mirror: Mirror, upstream: Upstream, fetch: Fetch
) -> None:
    publish_first(mirror, upstream, fetch)
    of_fetch = [mirror.path / name for name in ("packed-refs.lock", "refs/remotes/origin/main.lock")]
    of_writer = mirror.path / "refs/airlock/hold.lock"
    of_writer.parent.mkdir(exist_ok=True)
    with mirror.fetching():
        for lock in (*of_fetch, of_writer):
            lock.touch()
        with mirror.locked():
            assert all(lock.exists() for lock in of_fetch)
            assert not of_writer.exists()
    with mirror.locked():
        assert not any(lock.exists() for lock in of_fetch)


def test_housekeeping_waits_for_a_fetch(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    publish_first(mirror, upstream, fetch)
    entered = Event()

    def pack() -> None:
        with mirror.alone():
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with mirror.fetching():
            packed = pool.submit(pack)
            assert not entered.wait(0.5)
            with mirror.locked():  # it does not hold up others while it waits
                pass
        packed.result(30)


def test_hooks_in_the_mirror_are_never_run(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    publish_first(mirror, upstream, fetch)
    (mirror.path / "hooks").mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-update", "pre-auto-gc"):
        hook = mirror.path / "hooks" / name
        hook.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
        hook.chmod(0o755)
    second = upstream.push({"a.py": "2"})
    assert fetch() == second
    with mirror.locked():
        mirror.mark_judged(second)
    assert not (mirror.path / "ran").exists()


def test_a_writer_that_was_killed_gives_the_lock_back(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    upstream.push({"a.py": "1"})
    fetch()
    context = multiprocessing.get_context("fork")
    ready = context.Event()

    def hold() -> None:
        with mirror.locked():
            ready.set()
            time.sleep(600)

    holder = context.Process(target=hold)
    holder.start()
    assert ready.wait(30)
    assert holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert fetch() is not None


def test_the_pointer_is_read_as_git_has_it(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    assert pointer.live(mirror.path) is None
    revision = publish_first(mirror, upstream, fetch)
    assert pointer.live(mirror.path) == revision
    git.run(mirror.path, "pack-refs", "--all")
    assert not (mirror.path / "refs/heads/live").exists()
    assert pointer.live(mirror.path) == revision


def publish_first(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> str:
    revision = upstream.push({"a.py": "1"})
    fetch()
    with mirror.locked():
        assert release.publish(mirror, verdict(revision), expected=None, who="dora", why="first", changes=Changes())
    return revision
