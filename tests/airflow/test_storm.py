"""Syncs are killed at random moments while pushes keep coming. ``AIRLOCK_STORM=200`` makes the storm a long one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import git, manifest, mirror as mirrors, project, release as releases, sync
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers

KILLS = int(os.environ.get("AIRLOCK_STORM", "12"))
DAG = """
from airflow.sdk import DAG

with DAG("etl", schedule=None):
    VERSION = {version}
"""
RUNNER = """
import sys
from pathlib import Path
from airlock import source, state, sync
from airlock.validate.answers import Answers

url, place = sys.argv[1:]
while True:
    sync.run(source.Source(name="dags", repo_url=url), state.State(root=Path(place)), sync.Request(), Answers())
"""


@pytest.mark.timeout(3600)
def test_random_kills_during_pushes_never_lose_live_and_leave_nothing(upstream: Upstream, tmp_path: Path) -> None:
    state = State(root=tmp_path / "state")
    source = Source(name="dags", repo_url=upstream.url)
    mirror = mirrors.of(state, source)
    dice = random.Random(11)
    good = {upstream.push({"etl.py": DAG.format(version=0)})}
    sync.run(source, state, sync.Request(), Answers())
    for kill in range(1, KILLS + 1):
        is_good = dice.random() < 0.7
        revision = upstream.push({"etl.py": DAG.format(version=kill if is_good else f"1 / 0  # {kill}")})
        good |= {revision} if is_good else set()
        _sync_and_kill(upstream.url, state.root, after_s=dice.uniform(0.0, 6.0))
        history = releases.history(mirror)
        live = releases.live_revision(mirror)
        assert live == history[0].revision
        assert [one.number for one in history] == list(range(len(history), 0, -1))
        assert {one.revision for one in history} <= good
        assert (state.trees("dags") / str(live) / "etl.py").exists()
    assert len(releases.history(mirror)) > 1
    last = upstream.push({"etl.py": DAG.format(version="'last'")})
    time.sleep(5)  # warm processes whose owner was killed may still be on their way out
    assert sync.run(source, state, sync.Request(), Answers()).result == "published"
    assert (releases.live_revision(mirror), mirror.judged_revision()) == (last, last)
    for release in releases.history(mirror):  # no run lost its code
        assert git.run(mirror.path, "cat-file", "-e", f"{release.revision}:etl.py").status == 0
    git.run(mirror.path, "fsck", "--connectivity-only", "--no-dangling")
    assert {path.name for path in state.sources.iterdir()} == {"dags.git", "dags.lock", "dags.fetch", ".staging"}
    for folder in (state.sources / ".staging", state.trees("dags").with_name("staging"), state.cache / "validate"):
        assert list(folder.iterdir()) == []
    trees = state.trees("dags")
    assert {manifest.damage(tree) for tree in trees.iterdir()} == {frozenset()}


def _sync_and_kill(url: str, place: Path, *, after_s: float) -> None:
    syncing = subprocess.Popen(
        [sys.executable, "-P", "-c", RUNNER, url, str(place)],
        env={**os.environ, "PYTHONPATH": str(project.ROOT / "include")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after_s)
    os.kill(syncing.pid, signal.SIGKILL)
    syncing.wait()
