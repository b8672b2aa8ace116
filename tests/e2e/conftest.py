"""One embedded deployment for the stories that do not break it, and makers of others for those that do."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest
from tests.e2e.deployment import Deployment
from tests.upstream import Upstream

DAG = """
from airflow.sdk import dag, task


@dag(schedule={schedule}, tags=["story"], is_paused_upon_creation=False, catchup=False)
def {name}():
    @task
    def work():
        print("{name} works")

    work()


{name}()
"""


def dag_file(name: str, schedule: str = "None") -> str:
    """Return a DAG file with one task."""
    return DAG.format(name=name, schedule=schedule)


@pytest.fixture(scope="session")
def new_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Return a function that makes a deployment which is not started yet; all of them are stopped at the end."""
    made: list[Deployment] = []

    def make(name: str) -> Deployment:
        folder = tmp_path_factory.mktemp(name)
        upstream = Upstream(url=str(folder / "upstream.git"), clone=folder / "clone")
        for command in (
            ["init", "-q", "--bare", "-b", "main", upstream.url],
            ["init", "-q", "-b", "main", str(upstream.clone)],
        ):
            subprocess.run(["git", *command], check=True, timeout=60)
        upstream.git("config", "user.name", "Dora")
        upstream.git("config", "user.email", "dora@example.com")
        upstream.git("remote", "add", "origin", upstream.url)
        # The limit of an import is lowered so that a file that sleeps for ever is told within seconds.
        variables = {"AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "5", "HOME": os.environ["HOME"]}
        deployment = Deployment(state=folder / "state", port=_free_port(), upstream=upstream, variables=variables)
        made.append(deployment)
        return deployment

    yield make
    for deployment in made:
        deployment.airlock("down")


@pytest.fixture(scope="session")
def deployment(new_deployment: object) -> Deployment:
    """A running deployment whose first release has two DAGs."""
    assert callable(new_deployment)
    started: Deployment = new_deployment("embedded")
    started.upstream.push({"first.py": dag_file("first"), "ticker.py": dag_file("ticker", '"* * * * *"')})
    done = started.up()
    assert done.returncode == 0, done.stdout + done.stderr
    return started


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
