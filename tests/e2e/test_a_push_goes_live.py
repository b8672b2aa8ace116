from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment, wait_until

# What an installer would take from the lockfile on the deployment's own Python and system.
SELECT = """
import json, tomllib
from packaging.pylock import Pylock

lock = Pylock.from_dict(tomllib.loads({0!r}))
print(json.dumps({{str(package.name): str(package.version) for package, _ in lock.select()}}))
"""

pytestmark = pytest.mark.timeout(600)


def test_after_up_the_head_of_the_branch_is_live_in_airflow(deployment: Deployment) -> None:
    head = deployment.upstream.git("rev-parse", "HEAD")
    status = deployment.status()
    assert status["url"] == deployment.url
    assert status["sources"][0]["upstream"] == {"ref": "main", "revision": head}
    assert status["sources"][0]["live"]["revision"] == head

    def listed() -> set[str]:
        answer = deployment.api("GET", f"/api/v2/dags?bundle_name=dags&bundle_version={head}")
        return {dag["dag_id"] for dag in answer.json()["dags"]}

    # At once after `up`; DAGs that a later release did not change follow with the DAG processor's next round.
    wait_until(lambda: listed() >= {"first", "ticker"}, "all DAGs under the live version", timeout_s=60)


def test_a_push_of_a_new_dag_goes_live_by_itself(deployment: Deployment) -> None:
    revision = deployment.upstream.push({"second.py": dag_file("second")})
    wait_until(lambda: deployment.dag("second") is not None, "DAG second", timeout_s=60)
    found = deployment.dag("second")
    assert found
    assert found["bundle_version"] == revision
    deployment.wait_for_live(revision)
    shown = deployment.airlock("show", "live")
    assert shown.returncode == 0
    assert "+ second: 1 task, schedule None" in shown.stdout


def test_a_changed_helper_reaches_the_dags_that_import_it(deployment: Deployment) -> None:
    uses_helper = "from shared.words import WORD\n" + dag_file("worded").replace('"worded works"', "WORD")
    deployment.upstream.push({"shared/words.py": "WORD = 'old word'\n", "worded.py": uses_helper})
    wait_until(lambda: deployment.dag("worded") is not None, "DAG worded", timeout_s=60)
    revision = deployment.upstream.push({"shared/words.py": "WORD = 'new word'\n"})
    deployment.wait_for_live(revision)
    run_id = deployment.trigger("worded")
    wait_until(lambda: deployment.run_state("worded", run_id) == "success", "the run", timeout_s=60)
    assert "new word" in deployment.log("worded", run_id, "work")


def test_a_push_to_another_branch_changes_nothing(deployment: Deployment) -> None:
    before = deployment.source()["live"]
    head = deployment.upstream.git("rev-parse", "HEAD")
    deployment.upstream.push({"topic.py": dag_file("topic")}, branch="topic")
    deployment.upstream.git("reset", "--quiet", "--hard", head)
    time.sleep(12)
    assert deployment.source()["live"] == before
    assert deployment.dag("topic") is None


def test_a_push_without_dag_changes_is_a_release_too(deployment: Deployment) -> None:
    revision = deployment.upstream.push({"README.md": "words\n"})
    deployment.wait_for_live(revision)


def test_a_run_in_flight_finishes_on_the_code_it_started_with(deployment: Deployment) -> None:
    slow = """
import time
from airflow.sdk import dag, task


@dag(schedule=None, is_paused_upon_creation=False)
def slow():
    @task
    def first():
        time.sleep(25)

    @task
    def second():
        print("code is {version}")

    first() >> second()


slow()
"""
    old = deployment.upstream.push({"slow.py": slow.replace("{version}", "old")})
    deployment.wait_for_live(old)
    run_id = deployment.trigger("slow")
    new = deployment.upstream.push({"slow.py": slow.replace("{version}", "new")})
    deployment.wait_for_live(new)
    assert deployment.run_state("slow", run_id) == "running"
    wait_until(lambda: deployment.run_state("slow", run_id) == "success", "the run in flight", timeout_s=90)
    assert "code is old" in deployment.log("slow", run_id, "second")
    later = deployment.trigger("slow")
    wait_until(lambda: deployment.run_state("slow", later) == "success", "the later run", timeout_s=90)
    assert "code is new" in deployment.log("slow", later, "second")


def test_nothing_runs_while_nothing_changes(deployment: Deployment) -> None:
    deployment.wait_for_live(deployment.upstream.git("rev-parse", "HEAD"))
    wait_until(
        lambda: all(run["state"] != "running" for run in deployment.runs("airlock_sync_dags")), "peace", timeout_s=60
    )
    before = len(deployment.runs("airlock_sync_dags")), len(deployment.runs("airlock_lockfile"))
    time.sleep(20)
    assert (len(deployment.runs("airlock_sync_dags")), len(deployment.runs("airlock_lockfile"))) == before


def test_a_release_announces_itself_with_an_asset_event(deployment: Deployment) -> None:
    revision = deployment.upstream.push({"announced.py": dag_file("announced")})
    deployment.wait_for_live(revision)
    events = deployment.api("GET", "/api/v2/assets/events?order_by=-timestamp&limit=50").json()["asset_events"]
    assert any(
        event["extra"].get("revision") == revision and event["uri"].startswith("airlock://release") for event in events
    )


def test_sync_tells_how_it_ended(deployment: Deployment) -> None:
    head = deployment.upstream.git("rev-parse", "HEAD")
    deployment.wait_for_live(head)
    unchanged = deployment.airlock("sync", "--wait", "--reason", "to be sure")
    assert (unchanged.returncode, unchanged.stdout.split(":")[0]) == (0, "unchanged"), unchanged.stderr
    dry = deployment.airlock("sync", "--wait", "--ref", head, "--dry-run", "--force")
    assert (dry.returncode, dry.stdout.split(":")[0]) == (0, "passed"), dry.stderr
    missing = deployment.airlock("sync", "--wait", "--ref", "no-such-branch")
    assert missing.returncode == 2
    assert "upstream has no branch, tag or commit 'no-such-branch'" in missing.stderr
    refused = deployment.airlock("sync", "--wait", "--ref", "--upload-pack=x")
    assert refused.returncode == 2


def test_a_sync_through_the_rest_api_takes_parameters(deployment: Deployment) -> None:
    head = deployment.upstream.git("rev-parse", "HEAD")
    deployment.upstream.push({"broken.py": "from airflow.sdk import dag\n1/0\n"}, branch="topic")
    deployment.upstream.git("reset", "--quiet", "--hard", head)
    run_id = deployment.trigger("airlock_sync_dags", {"ref": "topic", "dry_run": True, "reason": "a look"})
    wait_until(
        lambda: deployment.run_state("airlock_sync_dags", run_id) in ("success", "failed"), "the sync", timeout_s=90
    )
    assert deployment.run_state("airlock_sync_dags", run_id) == "failed"
    log = deployment.log("airlock_sync_dags", run_id, "sync")
    assert "broken.py:2: ZeroDivisionError: division by zero [import-error]" in log
    bad = deployment.api(
        "POST", "/api/v2/dags/airlock_sync_dags/dagRuns", {"conf": {"ref": "-x"}, "logical_date": None}
    )
    assert bad.status_code == 400


def test_the_lockfile_is_served_to_those_who_log_in_and_tells_the_truth(deployment: Deployment, tmp_path: Path) -> None:
    path = "/airlock/lock/pylock.toml"
    assert httpx.get(f"{deployment.url}{path}").status_code == 401
    wait_until(lambda: deployment.api("GET", path).status_code == 200, "the lockfile", timeout_s=120)
    served = deployment.api("GET", path)
    selected = json.loads(deployment.python(SELECT.format(served.text)))
    manifest = deployment.api("GET", "/airlock/lock/manifest.json").json()
    assert selected.keys() == manifest["distributions"].keys()
    assert selected["apache-airflow"] == manifest["airflow"] == "3.3.2"
    made = deployment.airlock("venv", str(tmp_path / "venv"), "--from", deployment.url)
    assert made.returncode == 0, made.stdout + made.stderr
