"""Airflow's real DAG processor tells what it has stored, parses again what it is asked to, and says what it cannot."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.upstream import Upstream

from airlock import confirm, heal, mirror as mirrors, project, release, sync, tree
from airlock.confirm import Confirmation, Patience, Regression
from airlock.mirror import Mirror
from airlock.source import BUNDLE_CLASS, Source
from airlock.state import State
from airlock.validate.answers import Answers
from airlock.verdict import Verdict

# What only the DAG processor is told: how long an import takes there, and that it fails.
DAG = """
import os, time
from airflow.sdk import dag, task

time.sleep(float(os.environ.get("SLOW", "0")))


@dag(schedule=None)
def etl():
    @task
    def {task}():
        pass

    {task}()


etl()
"""
BROKEN = DAG + "\nif 'SLOW' in os.environ:\n    raise LookupError('no such lake')\n"
PROCESSOR = """
from airflow.utils import db

db.initdb()
from airflow.dag_processing.manager import DagFileProcessorManager

DagFileProcessorManager(max_runs=-1).run()
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(root=tmp_path / "state")


@pytest.fixture
def mirror(state: State, upstream: Upstream) -> Mirror:
    return mirrors.of(state, Source(name="dags", repo_url=upstream.url))


@pytest.fixture
def judge(state: State, mirror: Mirror, upstream: Upstream) -> Callable[[str], Verdict]:
    """Return a function that pushes a DAG file and returns the gate's verdict."""

    def judge_now(text: str) -> Verdict:
        revision = upstream.push({"etl.py": text})
        sync.run(mirror.source, state, sync.Request(dry_run=True), Answers())
        verdict = mirror.read_verdict(revision)
        assert verdict
        assert verdict.result == "passed"
        return verdict

    return judge_now


@pytest.fixture
def publish(state: State, mirror: Mirror) -> Callable[[Verdict], int]:
    """Return a function that makes a verdict's revision live within milliseconds, and returns the release's number."""

    def publish_now(verdict: Verdict) -> int:
        live = release.live_revision(mirror)
        confirm.ask(state.enquiry("dags"), verdict, ["etl"], mirror.read_verdict(live) if live else None)
        tree.materialise(mirror.path, verdict.revision, state.trees("dags"), previous=live, affected=["etl.py"])
        with mirror.locked():
            made = release.publish(mirror, verdict, expected=live, who="dora", why="", changes=verdict.changes)
        assert made
        return made.number

    return publish_now


@pytest.fixture
def processor(state: State, upstream: Upstream, tmp_path: Path) -> Iterator[Callable[[], psutil.Process]]:
    """Return a function that starts Airflow's DAG processor, whose every import takes five seconds."""
    started: list[psutil.Popen] = []

    def start() -> psutil.Process:
        kwargs = {"repo_url": upstream.url, "refresh_interval": 1}
        bundle = {"name": "dags", "classpath": BUNDLE_CLASS, "kwargs": kwargs}
        environ = {
            **os.environ,
            "SLOW": "5",
            "AIRLOCK_STATE": str(state.root),
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(state.cache / "bundles"),
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
            "PYTHONPATH": str(project.ROOT / "include"),
        }
        with (tmp_path / "processor.log").open("wb") as log:
            argv = [sys.executable, "-P", "-c", PROCESSOR]
            started.append(psutil.Popen(argv, env=environ, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT))
        return psutil.Process(started[-1].pid)

    yield start
    for process in started:
        for one in [*process.children(recursive=True), process]:
            one.kill()
        process.wait(30)


@pytest.mark.timeout(240)
def test_what_was_being_parsed_when_the_release_switched_is_stored_as_judged_in_the_end(
    state: State,
    mirror: Mirror,
    judge: Callable[[str], Verdict],
    publish: Callable[[Verdict], int],
    processor: Callable[[], psutil.Process],
    caplog: pytest.LogCaptureFixture,
) -> None:
    old, new = judge(DAG.format(task="before")), judge(DAG.format(task="after"))
    worse = judge(BROKEN.format(task="after"))
    publish(old)
    process = processor()
    deadline = time.monotonic() + 90
    while not process.children():  # it parses the old revision now
        assert time.monotonic() < deadline
        time.sleep(0.05)
    number = publish(new)
    folder, patience = state.enquiry("dags"), Patience(silent_s=60, stalled_s=60)
    with caplog.at_level(logging.INFO):
        done = confirm.confirm(folder, mirror, number, ["etl"], patience=patience)
    assert "DAG etl is stored with the structure of the release before; etl.py is parsed again" in caplog.text
    assert isinstance(done, Confirmation)
    assert done.differing == ()
    assert done.publish_to_live_s > 5

    number = publish(worse)
    regression = confirm.confirm(folder, mirror, number, ["etl"], patience=patience)
    assert isinstance(regression, Regression)
    assert regression.faults == ("etl.py: the DAG processor cannot import it: LookupError: no such lake",)

    healed = heal.heal(mirror, state, regression)
    assert healed
    assert healed.release
    assert release.live_revision(mirror) == new.revision
    assert isinstance(confirm.confirm(folder, mirror, healed.release, healed.awaited, patience=patience), Confirmation)
