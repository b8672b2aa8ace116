from __future__ import annotations

import json
from typing import Any

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment, wait_until

pytestmark = pytest.mark.timeout(600)

DAG_ID = "airlock_housekeeping"
TASKS = {"trees", "repositories", "logs", "metadata"}


def run(deployment: Deployment, conf: dict[str, Any]) -> str:
    """Trigger a clean-up, wait for its success, and return the run's id."""
    run_id = deployment.trigger(DAG_ID, conf)
    wait_until(lambda: deployment.run_state(DAG_ID, run_id) in ("success", "failed"), "the clean-up", timeout_s=240)
    states = deployment.api("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances").json()["task_instances"]
    assert {state["task_id"]: state["state"] for state in states} == dict.fromkeys(TASKS, "success")
    return run_id


def test_a_dry_run_tells_what_would_go_and_the_database_is_left_alone_by_default(deployment: Deployment) -> None:
    run_id = run(deployment, {"dry_run": True})
    assert "would be removed" in deployment.log(DAG_ID, run_id, "trees")
    assert "off: set AIRLOCK_KEEP_METADATA_DAYS" in deployment.log(DAG_ID, run_id, "metadata")


def test_a_clean_up_removes_old_things_and_everything_goes_on(deployment: Deployment) -> None:
    while len(json.loads(before := deployment.airlock("history", "--json").stdout)) < 12:
        deployment.wait_for_live(deployment.upstream.push({"README.md": f"{len(before)}\n"}))
    run_id = run(deployment, {"metadata_days": 365})
    assert "removed" in deployment.log(DAG_ID, run_id, "trees")
    assert "dags.git is" in deployment.log(DAG_ID, run_id, "repositories")
    assert deployment.airlock("history", "--json").stdout == before
    triggered = deployment.trigger("first")
    wait_until(lambda: deployment.run_state("first", triggered) == "success", "a run", timeout_s=90)
    deployment.wait_for_live(deployment.upstream.push({"kept.py": dag_file("kept")}))
