from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Embedded, wait_until
from tests.e2e.processes import of_state

pytestmark = [pytest.mark.timeout(900), pytest.mark.embedded]

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


@pytest.fixture(scope="module")
def killed(new_deployment: Callable[[str], Embedded]) -> Embedded:
    """A running deployment that gets hurt."""
    deployment = new_deployment("killed")
    deployment.upstream.push({"first.py": dag_file("first")})
    done = deployment.up()
    assert done.returncode == 0, done.stdout + done.stderr
    return deployment


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_component_comes_back_and_the_next_push_goes_live(killed: Embedded, component: str) -> None:
    live = killed.source()["live"]["revision"]
    pid = killed.status()["components"][component]
    revision = killed.upstream.push(
        {f"{component}.py".replace("-", "_"): dag_file(f"after_{component}".replace("-", "_"))}
    )
    os.kill(pid, signal.SIGKILL)
    assert killed.source()["live"]["revision"] in (live, revision)
    wait_until(lambda: killed.status()["components"][component] not in (None, pid), f"a new {component}", timeout_s=60)
    killed.wait_for_live(revision, timeout_s=240)


def test_all_killed_at_once_in_the_middle_of_a_push_then_up_again(killed: Embedded) -> None:
    live = killed.source()["live"]["revision"]
    revision = killed.upstream.push({"storm.py": dag_file("storm")})
    time.sleep(7)
    for process in of_state(killed.state):
        process.kill()
    assert killed.source()["live"]["revision"] in (live, revision)
    done = killed.up()
    assert done.returncode == 0, done.stdout + done.stderr
    killed.wait_for_live(revision, timeout_s=240)
    assert killed.dag("first")
    following = killed.upstream.push({"calm.py": dag_file("calm")})
    killed.wait_for_live(following, timeout_s=120)


def test_nothing_survives_down(killed: Embedded) -> None:
    assert of_state(killed.state)
    done = killed.airlock("down")
    assert done.returncode == 0, done.stderr
    assert of_state(killed.state) == []
    assert killed.airlock("down").returncode == 0
    assert killed.source()["live"] is not None
