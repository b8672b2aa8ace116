"""One deployment for the stories that do not break it, and makers of others for those that do."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.deployment import Deployment, Embedded
from tests.e2e.stack import Stack, engine
from tests.upstream import Upstream

# The limit of an import is lowered so that a file that sleeps for ever is told within seconds.
_IMPATIENT = {"AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "5"}

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
def kind(request: pytest.FixtureRequest) -> str:
    """Which deployment the stories are told about: ``embedded``, ``compose`` or ``celery``."""
    return str(request.config.getoption("--on"))


@pytest.fixture(scope="session")
def new_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Embedded]]:
    """Return a function that makes an embedded deployment which is not started yet; all are stopped at the end."""
    made: list[Embedded] = []

    def make(name: str) -> Embedded:
        folder = tmp_path_factory.mktemp(name)
        url = str(folder / "upstream.git")
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", url], check=True, timeout=60)
        upstream = clone(folder, url)
        variables = {**_IMPATIENT, "HOME": os.environ["HOME"]}
        deployment = Embedded(state=folder / "state", port=_free_port(), upstream=upstream, variables=variables)
        made.append(deployment)
        return deployment

    yield make
    for deployment in made:
        deployment.down()


@pytest.fixture(scope="session")
def new_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Stack]]:
    """Return a function that makes a compose stack which is not started yet; all are removed at the end."""
    made: list[Stack] = []

    def make(name: str, *, kind: str) -> Stack:
        print(f"Docker engine {engine()}")
        folder = tmp_path_factory.mktemp(name)
        port, git_port, flower_port = _free_port(), _free_port(), _free_port()
        settings = {
            "COMPOSE_PROFILES": "sample,celery" if kind == "celery" else "sample",
            "AIRLOCK_EXECUTOR": "CeleryExecutor" if kind == "celery" else "",
            "AIRLOCK_IMAGE": "airlock:test",
            "AIRLOCK_REPO_URL": "git://git/dags.git",
            "AIRLOCK_PORT": str(port),
            "AIRLOCK_GIT_PORT": str(git_port),
            "AIRLOCK_FLOWER_PORT": str(flower_port),
        }
        stack = Stack(
            upstream=clone(folder, f"git://127.0.0.1:{git_port}/dags.git"),
            port=port,
            folder=folder,
            name=f"airlock-test-{name}",
            settings=settings,
            options=["--scale", "worker=2"] if kind == "celery" else [],
            environment={**_IMPATIENT, "AIRLOCK_VALIDATE_SHARD_FILES": "5" if kind == "celery" else "0"},
        )
        made.append(stack)
        stack.down()  # of an earlier run that was killed
        stack.compose("build", "--quiet", timeout_s=900)
        return stack

    yield make
    for stack in made:
        stack.down()


@pytest.fixture(scope="session")
def deployment(kind: str, request: pytest.FixtureRequest) -> Deployment:
    """A running deployment whose release has two DAGs."""
    files = {"first.py": dag_file("first"), "ticker.py": dag_file("ticker", '"* * * * *"')}
    if kind == "embedded":
        embedded: Embedded = request.getfixturevalue("new_deployment")("embedded")
        embedded.upstream.push(files)
        done = embedded.up()
        assert done.returncode == 0, done.stdout + done.stderr
        return embedded
    stack: Stack = request.getfixturevalue("new_stack")(kind, kind=kind)
    done = stack.up()
    assert done.returncode == 0, done.stdout + done.stderr + stack.logs()[-20000:]
    stack.wait_for_live(stack.upstream.push(files))
    return stack


def clone(folder: Path, url: str) -> Upstream:
    """Return the upstream at ``url`` with a clone in ``folder``, empty yet, in which Dora commits."""
    upstream = Upstream(url=url, clone=folder / "clone")
    subprocess.run(["git", "init", "-q", "-b", "main", str(upstream.clone)], check=True, timeout=60)
    upstream.git("config", "user.name", "Dora")
    upstream.git("config", "user.email", "dora@example.com")
    upstream.git("remote", "add", "origin", upstream.url)
    return upstream


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
