"""A bundle on a machine without the mirror: it knows releases from the release repository alone.

Two states on one machine are two machines: the publisher's is not there while the worker's bundle works.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.faults import hurt_at_each_effect
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import manifest, mirror as mirrors, pointer, release, replica
from airlock.errors import StateError, TransientError
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes


@dataclass(frozen=True, kw_only=True)
class Site:
    """A publisher, its release repository, and the state of a worker elsewhere."""

    publisher: State
    worker: State
    upstream: Upstream
    releases: Upstream

    def publish(self, files: dict[str, str | bytes | None]) -> str:
        """Publish a commit without judging it."""
        revision = self.upstream.push(files)
        mirror = mirrors.of(self.publisher, self.source())
        with mirror.fetching():
            mirror.fetch(self.upstream.url, env={})
        with mirror.locked():
            live = release.live_revision(mirror)
            assert release.publish(mirror, verdict(revision), expected=live, who="", why="", changes=Changes())
        return revision

    def source(self) -> Source:
        return Source(name="dags", repo_url=self.upstream.url, release_url=self.releases.url)

    def bundle(self, **kwargs: object) -> Any:
        from airlock.bundle import AirlockDagBundle

        base = {"repo_url": "https://not-reached.invalid/dags.git", "release_url": self.releases.url}
        return AirlockDagBundle(name="dags", **{**base, "poll_interval_s": 1, **kwargs})

    @contextmanager
    def out_of_reach(self) -> Iterator[None]:
        """Take the release repository away for the time of the block."""
        away = Path(f"{self.releases.url}.away")
        Path(self.releases.url).rename(away)
        try:
            yield
        finally:
            away.rename(self.releases.url)


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: Upstream, make_upstream: Callable[[str], Upstream]
) -> Site:
    worker = State(root=tmp_path / "worker")
    monkeypatch.setenv("AIRLOCK_STATE", str(worker.root))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(worker.cache / "bundles"))
    publisher = State(root=tmp_path / "publisher")
    return Site(publisher=publisher, worker=worker, upstream=upstream, releases=make_upstream("releases"))


def text(bundle: Any, name: str = "a.py") -> str:
    return (bundle.path / name).read_text()


def test_a_task_of_an_old_release_runs_on_a_worker_that_sees_no_state(site: Site) -> None:
    first = site.publish({"dags/a.py": "1"})
    site.publish({"dags/a.py": "2"})
    shutil.rmtree(site.publisher.root)
    shutil.rmtree(site.upstream.url)
    task = site.bundle(version=first)
    task.initialize()
    assert text(task, "dags/a.py") == "1"
    assert task.get_current_version().version == first
    assert not site.worker.sources.exists()


def test_a_task_whose_tree_is_there_asks_nobody(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first = site.publish({"a.py": "1"})
    site.bundle(version=first).initialize()
    with site.out_of_reach():
        monkeypatch.setenv("PATH", "")
        site.bundle(version=first).initialize()


def test_a_revision_that_was_never_published_is_refused_here_too(site: Site) -> None:
    site.publish({"a.py": "1"})
    unpublished = site.upstream.push({"a.py": "2"})
    site.upstream.git("push", "-q", site.releases.url, "HEAD:refs/heads/somewhere")
    with pytest.raises(StateError, match="was never published") as caught:
        site.bundle(version=unpublished).initialize()
    assert caught.value.reason == "NotPublished"


def test_without_the_release_repository_a_task_says_what_is_missing(site: Site) -> None:
    first = site.publish({"a.py": "1"})
    with (
        site.out_of_reach(),
        pytest.raises(TransientError, match="source dags: release repository: fetch failed") as caught,
    ):
        site.bundle(version=first).initialize()
    assert caught.value.reason == "RepositoryMissing"
    site.bundle(version=first).initialize()


def test_a_task_without_a_version_gets_what_is_live_there_now(site: Site) -> None:
    site.publish({"a.py": "1"})
    site.bundle().initialize()
    second = site.publish({"a.py": "2"})
    task = site.bundle()
    task.initialize()
    assert (text(task), task.get_current_version().version) == ("2", second)
    with site.out_of_reach():
        task = site.bundle()
        task.initialize()
        assert text(task) == "2"


def test_a_dag_processor_elsewhere_follows_what_is_live_forwards_and_backwards(site: Site) -> None:
    following = site.bundle()
    following.initialize()
    assert following.get_current_version() is None
    assert list(following.path.iterdir()) == []
    for content in ("1", "2", "1"):
        site.publish({"a.py": content})
        wait_until(lambda content=content: refreshed(following) == content)


def test_an_outage_keeps_what_is_there_and_is_told_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.publish({"a.py": "1"})
    following = site.bundle()
    following.initialize()
    caplog.set_level(logging.INFO, logger="airlock.replica")
    with site.out_of_reach():
        wait_until(lambda: (following.refresh(), len(caplog.records))[1] == 1)
        for _ in range(30):
            following.refresh()
            time.sleep(0.1)
        assert text(following) == "1"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "what is here stays" in caplog.text
    site.publish({"a.py": "2"})
    wait_until(lambda: refreshed(following) == "2")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_server_that_never_answers_does_not_hold_up_a_refresh(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airlock.replica._LOOK_S", 2)
    asked = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            time.sleep(30)

    site.publish({"a.py": "1"})
    site.bundle().initialize()
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        following = site.bundle(release_url=f"http://127.0.0.1:{server.server_port}/releases.git")
        turns = []
        while not asked.is_set() or len(turns) < 50:
            started = time.monotonic()
            following.refresh()
            turns.append(time.monotonic() - started)
            time.sleep(0.05)
        assert text(following) == "1"
        assert sorted(turns)[len(turns) // 2] < 1  # the answer takes 30 s; one turn that starts git may take its time
        server.shutdown()


def test_many_tasks_at_once_on_a_new_worker_all_get_their_code(site: Site) -> None:
    revisions = [site.publish({"a.py": str(number)}) for number in range(4)]

    def run(revision: str, expected: str) -> None:
        task = site.bundle(version=revision)
        task.initialize()
        os._exit(0 if text(task) == expected else 1)

    context = multiprocessing.get_context("fork")
    tasks = [
        context.Process(target=run, args=(revision, str(number)))
        for number, revision in enumerate(revisions)
        for _ in "abc"
    ]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join(120)
    assert [task.exitcode for task in tasks] == [0] * len(tasks)


@pytest.mark.parametrize("way", ["kill", "no space", "broken disk"])
def test_a_task_that_is_hurt_anywhere_leaves_what_the_next_one_mends(site: Site, way: Any) -> None:
    first = site.publish({"a.py": "1"})
    site.publish({"a.py": "2"})
    for effects in hurt_at_each_effect(way, lambda: site.bundle(version=first).initialize()):  # noqa: B007 - counted
        task = site.bundle(version=first)
        task.initialize()
        assert text(task) == "1"
        assert manifest.damage(site.worker.trees("dags") / first) == frozenset()
        shutil.rmtree(site.worker.root)
    assert effects > 10


@pytest.mark.parametrize("damage", ["objects", "refs", "HEAD"])
def test_a_damaged_copy_is_made_again(site: Site, damage: str) -> None:
    first = site.publish({"a.py": "1"})
    second = site.publish({"a.py": "2"})
    site.bundle(version=second).initialize()
    copy = site.worker.replica("dags")
    if damage == "objects":
        for path in (copy / "objects").rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                path.write_bytes(b"")
    else:
        (shutil.rmtree if (copy / damage).is_dir() else os.unlink)(copy / damage)
    task = site.bundle(version=first)
    task.initialize()
    assert text(task) == "1"


@pytest.mark.parametrize("damage", ["cache deleted", "objects", "refs", "HEAD", "live emptied"])
def test_what_is_live_stays_through_damage_and_an_outage(site: Site, damage: str) -> None:
    first = site.publish({"a.py": "1"})
    served = site.bundle()
    served.initialize()
    copy = site.worker.replica("dags")
    with site.out_of_reach():
        if damage == "cache deleted":
            shutil.rmtree(copy.parent)
        elif damage == "live emptied":
            (copy / "refs/heads/live").write_bytes(b"")
        else:
            (shutil.rmtree if (copy / damage).is_dir() else os.unlink)(copy / damage)
        for _ in range(3):
            assert refreshed(served) == "1"
            assert served.get_current_version().version == first
            time.sleep(0.4)
        with pytest.raises(TransientError):
            replica.renew(replica.of(site.worker, site.source()))
        assert refreshed(served) == "1"
    second = site.publish({"a.py": "2"})
    wait_until(lambda: refreshed(served) == "2")
    assert served.get_current_version().version == second


def test_a_damaged_copy_stays_until_another_one_is_fetched(site: Site) -> None:
    first = site.publish({"a.py": "1"})
    site.bundle().initialize()
    copy = replica.of(site.worker, site.source())
    with site.out_of_reach(), pytest.raises(TransientError):
        replica.renew(copy)
    assert release.live_revision(copy) == first
    (copy.path / "stray").touch()
    replica.renew(copy)
    assert release.live_revision(copy) == first
    assert {path.name for path in copy.path.parent.iterdir()} == {"dags.git", "dags.lock", "dags.fetch", ".staging"}
    assert not (copy.path / "stray").exists()
    assert not list((copy.path.parent / ".staging").iterdir())


@pytest.mark.parametrize("way", ["kill", "no space", "broken disk"])
def test_a_renewal_that_is_hurt_anywhere_leaves_a_copy_that_tells_what_is_live(site: Site, way: Any) -> None:
    first = site.publish({"a.py": "1"})
    site.bundle().initialize()
    copy = replica.of(site.worker, site.source())
    for effects in hurt_at_each_effect(way, lambda: replica.renew(copy)):  # noqa: B007 - counted
        assert pointer.live(copy.path) == first
        replica.renew(copy)
        assert release.live_revision(copy) == first
    assert effects > 5


def test_a_mirror_that_lacks_a_release_does_not_hide_the_release_repository(site: Site) -> None:
    first = site.publish({"a.py": "1"})
    strayed = mirrors.of(site.worker, site.source())  # a sync ran here by mistake, before the release was made
    with strayed.locked():
        pass
    task = site.bundle(version=first)
    task.initialize()
    assert text(task) == "1"


def test_secrets_of_the_connection_are_not_left_in_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_RELEASES", '{"conn_type": "git", "login": "dora", "password": "s3cret-t0ken"}')
    follower = replica.Follower(
        replica.of(
            site.worker,
            Source(name="dags", repo_url="x", release_url="http://127.0.0.1:9/x.git", release_conn_id="releases"),
        )
    )
    follower.look()  # git is asking now, and has the token
    assert not {name for name, value in os.environ.items() if "s3cret" in value and name != "AIRFLOW_CONN_RELEASES"}
    deadline = time.monotonic() + 30
    while follower._asking is not None and time.monotonic() < deadline:
        follower.look()
        time.sleep(0.05)
    assert follower._asking is None


def refreshed(bundle: Any) -> str:
    bundle.refresh()
    path = bundle.path / "a.py"
    return path.read_text() if path.exists() else ""


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
