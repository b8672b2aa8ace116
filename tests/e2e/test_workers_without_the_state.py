"""A real Airflow on a machine that has nothing but the release repository: no mirror, no upstream."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import mirror as mirrors, project, release
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes

pytestmark = [pytest.mark.timeout(600), pytest.mark.embedded]
AIRFLOW = [sys.executable, "-P", "-m", "airflow"]
DAG = """
import time
from airflow.sdk import dag, task


@dag(schedule=None, is_paused_upon_creation=False)
def etl():
    @task
    def first():
        time.sleep({sleep_s})
        return "{word}"

    @task
    def second(value):
        return value + " {word}"

    second(first())


etl()
"""


@dataclass(kw_only=True)
class Site:
    """An Airflow of its own whose state is a worker's."""

    folder: Path
    environ: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        return self.folder / "state" / "cache"

    def start(self) -> None:
        subprocess.run([*AIRFLOW, "db", "migrate"], env=self.environ, check=True, capture_output=True, timeout=180)
        port = self.environ["PORT"]
        for command in (("api-server", "--host", "127.0.0.1", "--port", port), ("scheduler", "-s"), ("dag-processor",)):
            with (self.folder / f"{command[0]}.log").open("wb") as log:
                self.processes.append(
                    subprocess.Popen(
                        [*AIRFLOW, *command], env=self.environ, stdout=log, stderr=log, start_new_session=True
                    )
                )

    def stop(self) -> None:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for process in self.processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, sent)
            for process in self.processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)

    def trigger(self, run_id: str) -> None:
        command = [*AIRFLOW, "dags", "trigger", "etl", "--run-id", run_id]
        subprocess.run(command, env=self.environ, check=True, capture_output=True, timeout=120)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        place = f"file:{self.folder / 'airflow.db'}?mode=ro"
        with closing(sqlite3.connect(place, uri=True, timeout=30)) as database:
            return database.execute(query).fetchall()

    def wait_for(self, query: str, *expected: Any) -> None:
        deadline = time.monotonic() + 180
        while (found := self.rows(query)) != [expected]:
            assert time.monotonic() < deadline, (query, expected, found, self.logs())
            time.sleep(0.5)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in self.folder.glob("*.log"))


@pytest.fixture
def releases(make_upstream: Callable[[str], Upstream]) -> Path:
    return Path(make_upstream("releases").url)


@pytest.fixture
def site(tmp_path: Path, releases: Path) -> Iterator[Site]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    folder = tmp_path / "site"
    folder.mkdir()
    kwargs = {"repo_url": "https://git.invalid/dags.git", "release_url": str(releases), "refresh_interval": 1}
    bundles = [{"name": "dags", "classpath": "airlock.bundle.AirlockDagBundle", "kwargs": kwargs}]
    made = Site(
        folder=folder,
        environ={
            **os.environ,
            "PORT": port,
            "PYTHONPATH": str(project.ROOT / "include"),
            "NO_PROXY": "127.0.0.1",
            "AIRLOCK_STATE": str(folder / "state"),
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": "a key for one test",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for one test, long enough for the algorithm: 0123456789abcdef",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "state" / "cache" / "bundles"),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        },
    )
    yield made
    made.stop()


def test_a_run_keeps_its_release_and_a_later_one_starts_though_the_repository_is_gone(
    site: Site, releases: Path, upstream: Upstream, tmp_path: Path
) -> None:
    publisher, elsewhere = State(root=tmp_path / "publisher"), tmp_path / "elsewhere"

    def publish(word: str, sleep_s: int) -> str:
        """Publish a revision on the publisher's machine, which the site does not see."""
        if elsewhere.exists():
            elsewhere.rename(publisher.root)
        mirror = mirrors.of(publisher, Source(name="dags", repo_url=upstream.url, release_url=str(releases)))
        revision = upstream.push({"etl.py": DAG.format(word=word, sleep_s=sleep_s)})
        with mirror.locked():
            mirror.fetch(upstream.url, env={})
            live = release.live_revision(mirror)
            assert release.publish(mirror, verdict(revision), expected=live, who="", why="", changes=Changes())
        publisher.root.rename(elsewhere)
        return revision

    first = publish("first", sleep_s=15)
    site.start()
    version = "select bundle_version from dag where dag_id = 'etl'"
    site.wait_for(version, first)
    site.trigger("old")
    site.wait_for("select state from task_instance where run_id = 'old' and task_id = 'first'", "running")
    second = publish("second", sleep_s=0)
    site.wait_for(version, second)
    site.cache.rename(site.folder / "gone")  # the tree of the first release goes with it
    site.wait_for("select state, bundle_version from dag_run where run_id = 'old'", "success", first)
    releases.rename(releases.with_suffix(".away"))
    site.trigger("new")
    site.wait_for("select state, bundle_version from dag_run where run_id = 'new'", "success", second)
    returned = "select run_id, value from xcom where task_id = 'second' and key = 'return_value' order by run_id"
    assert [(run, json.loads(value)) for run, value in site.rows(returned)] == [
        ("new", "second second"),
        ("old", "first first"),
    ]
    assert not (site.folder / "state" / "sources").exists()
