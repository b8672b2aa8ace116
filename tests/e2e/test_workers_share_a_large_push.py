"""A push with many DAG files: the tasks that import them are Airflow's own, and go where its executor has workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment, Embedded, wait_until

pytestmark = [pytest.mark.timeout(900), pytest.mark.embedded, pytest.mark.celery]
SYNC = "airlock_sync_dags"


@pytest.fixture(scope="module")
def sharing(
    kind: str, request: pytest.FixtureRequest, new_deployment: Callable[[str], Embedded]
) -> Iterator[Deployment]:
    """A deployment whose tasks import five DAG files each."""
    if kind != "embedded":
        yield request.getfixturevalue("deployment")
        return
    embedded = new_deployment("sharing")
    embedded.variables["AIRLOCK_VALIDATE_SHARD_FILES"] = "5"
    embedded.upstream.push({"first.py": dag_file("first")})
    done = embedded.up()
    assert done.returncode == 0, done.stdout + done.stderr
    yield embedded
    embedded.down()


def tasks(deployment: Deployment, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the task instances of a run of the sync DAG, by task."""
    answer = deployment.api("GET", f"/api/v2/dags/{SYNC}/dagRuns/{run_id}/taskInstances").json()["task_instances"]
    found: dict[str, list[dict[str, Any]]] = {}
    for one in answer:
        found.setdefault(one["task_id"], []).append(one)
    return found


def last_sync(deployment: Deployment) -> str:
    """Return the newest run of the sync DAG once it has ended, which is a moment after its release is confirmed."""
    wait_until(lambda: deployment.runs(SYNC)[0]["state"] == "success", "the sync to end", timeout_s=60)
    return str(deployment.runs(SYNC)[0]["dag_run_id"])


def test_a_large_push_is_shared_and_a_small_one_is_not(sharing: Deployment) -> None:
    many = {f"shared_{number:02d}.py": dag_file(f"shared_{number:02d}") for number in range(12)}
    revision = sharing.upstream.push(many)
    sharing.wait_for_live(revision, timeout_s=300)
    states = {task_id: [one["state"] for one in ones] for task_id, ones in tasks(sharing, last_sync(sharing)).items()}
    assert states == {
        "sync": ["success"],
        "import_shard": ["success", "success"],
        "conclude": ["success"],
        "confirm": ["success"],
    }
    labels = sorted(one["rendered_map_index"] for one in tasks(sharing, last_sync(sharing))["import_shard"])
    assert labels == ["1: 6 files", "2: 6 files"]

    revision = sharing.upstream.push({"shared_00.py": dag_file("shared_00", '"@daily"')})
    sharing.wait_for_live(revision)
    states = {task_id: [one["state"] for one in ones] for task_id, ones in tasks(sharing, last_sync(sharing)).items()}
    assert states == {
        "sync": ["success"],
        "import_shard": ["skipped"],
        "conclude": ["skipped"],
        "confirm": ["success"],
    }


def test_the_command_line_tells_of_a_shared_sync_as_of_any_other(sharing: Deployment) -> None:
    broken = {f"shared_{number:02d}.py": dag_file(f"shared_{number:02d}", "1 / 0") for number in range(11)}
    sharing.upstream.push(broken)
    done = sharing.airlock("sync", "--wait")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "rejected: 11 errors" in done.stdout
    assert "division by zero" in done.stdout
    repaired = {f"shared_{number:02d}.py": dag_file(f"shared_{number:02d}", '"@weekly"') for number in range(11)}
    revision = sharing.upstream.push(repaired)
    sharing.wait_for_live(revision, timeout_s=300)
