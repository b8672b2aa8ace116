from __future__ import annotations

import time

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment, wait_until

pytestmark = [pytest.mark.timeout(600), pytest.mark.embedded]
DAG = "airlock_approval_dags"


def test_a_push_that_removes_most_dags_waits_until_a_person_approves(deployment: Deployment) -> None:
    many = [f"many_{number}" for number in range(20)]
    live = deployment.upstream.push({f"{name}.py": dag_file(name) for name in many})
    deployment.wait_for_live(live)
    emptied = deployment.upstream.push(dict.fromkeys(f"{name}.py" for name in many))
    assert deployment.wait_for_verdict(emptied)["result"] == "passed"
    wait_until(lambda: deployment.source()["question"] is not None, "the question", timeout_s=60)
    source = deployment.source()
    assert (source["last_sync"]["reason"], source["live"]["revision"]) == ("ApprovalNeeded", live)
    assert "waits for approval" in deployment.airlock("status").stdout

    run_id = deployment.runs(DAG)[0]["dag_run_id"]
    task = f"/api/v2/dags/{DAG}/dagRuns/{run_id}/taskInstances/ask"
    wait_until(lambda: deployment.api("GET", task).json()["state"] == "awaiting_input", "the task", timeout_s=60)
    page = deployment.api("GET", f"{task}/-1/hitlDetails").json()
    assert "live DAGs would be removed" in page["subject"]
    assert "- many_4" in page["body"]

    newer = deployment.upstream.push({"README.md": "still without them\n"})
    assert deployment.wait_for_verdict(newer)["result"] == "passed"
    wait_until(lambda: deployment.run_state(DAG, run_id) == "success", "the end of what is superseded", timeout_s=60)
    wait_until(lambda: open_questions(deployment) not in ([], [run_id]), "the newer question", timeout_s=60)
    (run_id,) = open_questions(deployment)
    task = f"/api/v2/dags/{DAG}/dagRuns/{run_id}/taskInstances/ask"
    time.sleep(6)  # Airflow 3.3.2 fails a task that is answered before its executor has let it go
    answer = deployment.api("PATCH", f"{task}/-1/hitlDetails", {"chosen_options": ["Approve"], "params_input": {}})
    assert answer.is_success, answer.text
    deployment.wait_for_live(newer)
    assert deployment.source()["question"] is None
    assert "approved by admin" in deployment.airlock("history", "--limit", "1").stdout
    wait_until(lambda: deployment.run_state(DAG, run_id) == "success", "the run", timeout_s=60)


def open_questions(deployment: Deployment) -> list[str]:
    """The runs that are listed under Required Actions."""
    listed = "/api/v2/dags/~/dagRuns/~/hitlDetails?response_received=false&state=awaiting_input"
    found = deployment.api("GET", listed).json()["hitl_details"]
    return [detail["task_instance"]["dag_run_id"] for detail in found]
