"""The stack of the stories, as what it is: containers that can be killed, paused and cut off."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment
from tests.e2e.stack import Stack

SHELL = """
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("shell", schedule=None, is_paused_upon_creation=False):
    BashOperator(task_id="work", bash_command="true")
"""


OLD = """
from airflow.decorators import task
from airflow.sdk import DAG

with DAG("old", schedule=None, is_paused_upon_creation=False):

    @task
    def work():
        pass

    work()
"""


@pytest.fixture(scope="session")
def stack(deployment: Deployment) -> Stack:
    """The running stack that the stories share; what a test does to it, it has to undo."""
    assert isinstance(deployment, Stack)
    return deployment


@pytest.fixture(scope="session")
def sandboxed(new_stack: Callable[..., Stack]) -> Stack:
    """A running stack that validates in sandboxes, with three live DAGs."""
    made = new_stack("sandbox", kind="compose")
    made.settings |= {
        "COMPOSE_PROFILES": "sample,sandbox",
        "AIRLOCK_SANDBOX": "docker",
        "AIRLOCK_SANDBOX_MEMORY_MB": "1024",
        "AIRLOCK_DOCKER_SOCKET": os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock",
    }
    done = made.up()
    assert done.returncode == 0, done.stdout + done.stderr + made.logs()[-20000:]
    made.wait_for_live(made.upstream.push({"first.py": dag_file("first"), "shell.py": SHELL, "old.py": OLD}))
    return made
