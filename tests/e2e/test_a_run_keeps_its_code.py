"""Twelve releases go by, and old ones are cleaned away, while one run sleeps and another waits in the queue."""

from __future__ import annotations

import pytest
from tests.e2e.deployment import Deployment, wait_until

pytestmark = [pytest.mark.timeout(900), pytest.mark.embedded]

SLEEPER = """
from airflow.sdk import Variable, dag, task

DAG_FILE = {number}


@dag(schedule=None, is_paused_upon_creation=False, catchup=False, max_active_runs=1)
def sleeper():
    @task
    def first():
        import time

        while Variable.get("sleeper_may_go_on", default="no") == "no":
            time.sleep(1)
        from early_words import WORD  # an import that comes after the sleep

        print(f"first: file {{DAG_FILE}}, helper {{WORD}}")

    @task
    def second():
        from early_words import WORD

        print(f"second: file {{DAG_FILE}}, helper {{WORD}}")

    first() >> second()


sleeper()
"""
RELEASES = 12


def test_twelve_releases_and_a_clean_up_go_by_while_a_run_sleeps_and_another_is_queued(deployment: Deployment) -> None:
    asleep_on = release(deployment, 1)
    sleeping = deployment.trigger("sleeper")
    wait_until(lambda: deployment.run_state("sleeper", sleeping) == "running", "the run", timeout_s=60)
    queued_on = release(deployment, 2)
    queued = deployment.trigger("sleeper")
    assert version(deployment, queued) == queued_on
    for number in range(3, 3 + RELEASES):
        release(deployment, number)
    told = clean_up(deployment)
    assert asleep_on[:12] not in told
    assert queued_on[:12] not in told
    assert [deployment.run_state("sleeper", run) for run in (sleeping, queued)] == ["running", "queued"]

    go_on = {"key": "sleeper_may_go_on", "value": "yes"}
    assert deployment.api("POST", "/api/v2/variables", go_on).is_success
    for number, run_id in ((1, sleeping), (2, queued)):
        finish(deployment, run_id)
        for task in ("first", "second"):
            assert f"{task}: file {number}, helper {number}" in deployment.log("sleeper", run_id, task)

    assert asleep_on[:12] in clean_up(deployment)
    again = {"dry_run": False, "dag_run_id": sleeping, "task_ids": ["second"], "only_failed": False}
    cleared = deployment.api("POST", "/api/v2/dags/sleeper/clearTaskInstances", {**again, "reset_dag_runs": True})
    assert cleared.is_success, cleared.text
    finish(deployment, sleeping)
    assert "second: file 1, helper 1" in deployment.log("sleeper", sleeping, "second", attempt=2)


def release(deployment: Deployment, number: int) -> str:
    """Publish a release in which the helper is another one, and every other time the DAG file too."""
    files = {"sleeper.py": SLEEPER.format(number=number)} if number < 4 or number % 2 else {}
    revision = deployment.upstream.push({**files, "early_words.py": f"WORD = {number}\n"})
    deployment.wait_for_live(revision)
    return revision


def version(deployment: Deployment, run_id: str) -> str:
    answer = deployment.api("GET", f"/api/v2/dags/sleeper/dagRuns/{run_id}").json()
    return str(answer["bundle_version"])


def finish(deployment: Deployment, run_id: str) -> None:
    wait_until(
        lambda: deployment.run_state("sleeper", run_id) in ("success", "failed"), f"the end of {run_id}", timeout_s=120
    )
    assert deployment.run_state("sleeper", run_id) == "success"


def clean_up(deployment: Deployment) -> str:
    """Clean up as every night, and return what the log tells of trees."""
    run_id = deployment.trigger("airlock_housekeeping")
    done = ("success", "failed")
    wait_until(lambda: deployment.run_state("airlock_housekeeping", run_id) in done, "the clean-up", timeout_s=240)
    assert deployment.run_state("airlock_housekeeping", run_id) == "success"
    return deployment.log("airlock_housekeeping", run_id, "trees")
