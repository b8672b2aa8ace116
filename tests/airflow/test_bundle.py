"""The bundle gives Airflow what was published, all of it and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import mirror as mirrors, release, tree
from airlock.errors import StateError
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    state = State(root=tmp_path / "state")
    monkeypatch.setenv("AIRLOCK_STATE", str(state.root))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(state.cache / "bundles"))
    return state


@pytest.fixture
def publish(state: State, upstream: Upstream) -> Callable[..., None]:
    """Return a function that publishes a commit without judging it, with its DAG files in a folder."""
    mirror = mirrors.of(state, Source(name="dags", repo_url=upstream.url))

    def publish_now(revision: str, subdir: str = "") -> None:
        with mirror.fetching():
            mirror.fetch(upstream.url, env={})
        with mirror.locked():
            live = release.live_revision(mirror)
            judged = verdict(revision, subdir=subdir)
            release.publish(mirror, judged, expected=live, who="", why="", changes=Changes())

    return publish_now


def bundle(upstream: Upstream, **kwargs: object) -> object:
    from airlock.bundle import AirlockDagBundle

    return AirlockDagBundle(name="dags", repo_url=upstream.url, **kwargs)


def test_before_the_first_release_it_is_empty_and_has_no_version(state: State, upstream: Upstream) -> None:
    empty = bundle(upstream)
    empty.initialize()
    assert list(empty.path.iterdir()) == []
    assert empty.get_current_version() is None


def test_it_follows_what_is_live_forwards_and_backwards(
    state: State, upstream: Upstream, publish: Callable[[str], None]
) -> None:
    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    following = bundle(upstream)
    following.initialize()
    for revision, content in ((first, "1"), (second, "2"), (first, "1")):
        publish(revision)
        following.refresh()
        assert following.get_current_version().version == revision
        assert (following.path / "a.py").read_text() == content


def test_a_pinned_bundle_stays_and_is_made_again_when_its_tree_is_gone(
    state: State, upstream: Upstream, publish: Callable[..., None]
) -> None:
    first, second = upstream.push({"dags/a.py": "1"}), upstream.push({"dags/a.py": "2"})
    publish(first, "dags")
    publish(second, "dags")
    shutil.rmtree(state.cache, ignore_errors=True)
    pinned = bundle(upstream, version=first, subdir="elsewhere-by-now")
    pinned.initialize()
    assert (pinned.path / "a.py").read_text() == "1"
    assert pinned.get_current_version().version == first


def test_a_tree_that_is_lost_while_it_is_served_comes_back_with_the_next_refresh(
    state: State, upstream: Upstream, publish: Callable[[str], None]
) -> None:
    publish(upstream.push({"a.py": "1"}))
    served = bundle(upstream)
    served.initialize()
    shutil.rmtree(served.path)
    served.refresh()
    assert (served.path / "a.py").read_text() == "1"


def test_a_revision_that_was_never_published_is_refused(
    state: State, upstream: Upstream, publish: Callable[[str], None]
) -> None:
    publish(upstream.push({"a.py": "1"}))
    unpublished = upstream.push({"a.py": "2"})
    mirror = mirrors.of(state, Source(name="dags", repo_url=upstream.url))
    with mirror.fetching():
        mirror.fetch(upstream.url, env={})
    with pytest.raises(StateError, match="was never published") as caught:
        bundle(upstream, version=unpublished).initialize()
    assert caught.value.reason == "NotPublished"


def test_preparing_a_version_that_is_on_disk_needs_no_git(
    state: State, upstream: Upstream, publish: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = upstream.push({"a.py": "1"})
    publish(revision)
    mirror = mirrors.of(state, Source(name="dags", repo_url=upstream.url))
    tree.materialise(mirror.path, revision, state.trees("dags"), subdir="")
    monkeypatch.setenv("PATH", "")
    ready = bundle(upstream, version=revision)
    ready.initialize()
    assert (ready.path / "a.py").read_text() == "1"


def test_a_task_does_not_start_on_a_damaged_tree(
    state: State, upstream: Upstream, publish: Callable[[str], None]
) -> None:
    revision = upstream.push({"a.py": "1"})
    publish(revision)
    bundle(upstream).initialize()
    (state.trees("dags") / revision / "a.py").write_text("never validated")
    (state.trees("dags") / revision / "b.py").write_text("never validated")
    pinned = bundle(upstream, version=revision)
    pinned.initialize()
    assert {path.name: path.read_text() for path in pinned.path.iterdir()} == {"a.py": "1"}


def test_who_follows_what_is_live_reads_every_file_at_its_start(
    state: State, upstream: Upstream, publish: Callable[[str], None]
) -> None:
    publish(upstream.push({"a.py": "1"}))
    served = bundle(upstream)
    served.initialize()
    file = served.path / "a.py"
    before = file.stat()
    file.write_text("2")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    bundle(upstream).initialize()
    assert file.read_text() == "1"


def test_damage_while_it_is_served_is_mended_within_a_minute(
    state: State, upstream: Upstream, publish: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(upstream.push({"a.py": "1"}))
    served = bundle(upstream)
    served.initialize()
    (served.path / "a.py").write_text("never validated")
    a_minute_later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: a_minute_later)
    served.refresh()
    assert (served.path / "a.py").read_text() == "1"


@pytest.mark.parametrize("loss", ["moved", "deleted", "live emptied", "no refs"])
def test_what_is_live_stays_when_the_mirror_cannot_be_read(
    state: State, upstream: Upstream, publish: Callable[[str], None], loss: str
) -> None:
    revision = upstream.push({"a.py": "1"})
    publish(revision)
    served = bundle(upstream)
    served.initialize()
    mirror = state.mirror("dags")
    kept = mirror.with_name("kept")
    shutil.copytree(mirror, kept)
    if loss == "moved":
        state.sources.rename(state.root / "away")
    elif loss == "deleted":
        shutil.rmtree(mirror)
    elif loss == "live emptied":
        (mirror / "refs/heads/live").write_bytes(b"")
    else:
        shutil.rmtree(mirror / "refs")
    for _ in range(2):
        served.refresh()
        assert served.get_current_version().version == revision
        assert (served.path / "a.py").read_text() == "1"
    # A fresh process knows no version: it says so, and Airflow, which tries again, leaves the DAGs alone.
    with pytest.raises(StateError, match="what is live cannot be read"):
        bundle(upstream).initialize()
    if loss != "moved":
        shutil.rmtree(mirror, ignore_errors=True)
        kept.rename(mirror)
        second = upstream.push({"a.py": "2"})
        publish(second)
        served.refresh()
        assert served.get_current_version().version == second
