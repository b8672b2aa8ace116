"""What happens to containers, networks and disks: the stack recovers by itself, and what is live is never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import wait_until
from tests.e2e.stack import Stack, docker

pytestmark = [pytest.mark.timeout(900), pytest.mark.celery]

SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "flower", "postgres", "redis", "git")
SLOW = "import time\n\ntime.sleep(4)\n"
RETRIED = """
from datetime import timedelta

from airflow.sdk import dag, task


@dag(schedule=None, is_paused_upon_creation=False, default_args={"retries": 3, "retry_delay": timedelta(seconds=3)})
def retried():
    @task
    def work(number: int):
        import time

        time.sleep(3)
        return number

    work.expand(number=list(range(4)))


retried()
"""


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_container_comes_back_and_the_push_of_that_moment_goes_live(stack: Stack, service: str) -> None:
    live = stack.source()["live"]["revision"]
    before = stack.containers(service)
    name = f"killed_{service.replace('-', '_')}"
    revision = stack.upstream.push({f"{name}.py": dag_file(name)})
    for container in before:
        kill(container)
    stack.wait_until_healthy(service)
    assert stack.source()["live"]["revision"] in (live, revision)
    stack.wait_for_live(revision, timeout_s=300)
    assert stack.dag("first")


@pytest.mark.parametrize("service", SERVICES)
def test_a_paused_container_delays_a_push_and_loses_nothing(stack: Stack, service: str) -> None:
    live = stack.source()["live"]["revision"]
    name = f"paused_{service.replace('-', '_')}"
    revision = stack.upstream.push({f"{name}.py": dag_file(name)})
    stack.compose("pause", service)
    try:
        time.sleep(20)
    finally:
        stack.compose("unpause", service)
    assert stack.source()["live"]["revision"] in (live, revision)
    stack.wait_for_live(revision, timeout_s=300)
    stack.wait_until_healthy(service)


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_a_restart_of_database_or_broker_under_load_fails_no_run_with_retries(stack: Stack, service: str) -> None:
    stack.wait_for_live(stack.upstream.push({"retried.py": RETRIED}))
    runs = [stack.trigger("retried") for _ in range(4)]
    time.sleep(4)
    stack.compose("restart", "--timeout", "5", service)
    revision = stack.upstream.push({f"restarted_{service}.py": dag_file(f"restarted_{service}")})
    stack.wait_until_healthy()
    for run_id in runs:
        wait_until(lambda run_id=run_id: ended(stack, "retried", run_id), f"run {run_id}", timeout_s=400)
        assert stack.run_state("retried", run_id) == "success"
    stack.wait_for_live(revision, timeout_s=300)


def test_an_upstream_that_is_cut_off_changes_nothing_and_is_followed_again(stack: Stack) -> None:
    (git,) = stack.containers("git")
    network = f"{stack.name}_default"
    live = stack.source()["live"]
    docker("network", "disconnect", network, git["Id"])
    try:
        refused = stack.airlock("sync", "--wait")
        assert refused.returncode == 2, refused.stdout + refused.stderr
        assert "source dags:" in refused.stderr
        assert "hint:" in refused.stderr
        assert stack.source()["live"] == live
        run_id = stack.trigger("first")
        wait_until(lambda: stack.run_state("first", run_id) == "success", "a run of a live DAG", timeout_s=90)
    finally:
        docker("network", "connect", "--alias", "git", network, git["Id"])
    wait_until(lambda: is_reachable(stack), "the git server", timeout_s=60)
    # A watcher asks an upstream that was silent less and less often, at least every two minutes.
    stack.wait_for_live(stack.upstream.push({"again.py": dag_file("again")}), timeout_s=240)


def test_workers_that_are_killed_in_the_middle_of_a_validation_leave_a_verdict_all_the_same(stack: Stack) -> None:
    live = stack.source()["live"]["revision"]
    slow = {f"slow_{number}.py": SLOW + dag_file(f"slow_{number}") for number in range(6)}
    revision = stack.upstream.push(slow)
    wait_until(lambda: is_validating(stack), "a validation", timeout_s=60)
    for container in stack.containers("worker"):
        kill(container)
    assert stack.source()["live"]["revision"] == live
    stack.wait_until_healthy("worker")
    stack.wait_for_live(revision, timeout_s=400)
    quick = {name: dag_file(name.removesuffix(".py")) for name in slow}  # a removal of so many would be asked about
    stack.wait_for_live(stack.upstream.push(quick), timeout_s=120)
    assert leftovers(stack) == []


def test_trees_are_made_by_several_containers_and_users_at_once(stack: Stack) -> None:
    """The cache may be deleted at any time; then everybody needs the same tree at once."""
    revision = stack.source()["live"]["revision"]
    make = (
        "umask 0002; python -P -c 'import pathlib; from airlock import mirror, source, state, tree; import os; "
        "where = state.from_environment(os.environ); found = source.load(os.environ)[0]; "
        f'tree.materialise(mirror.of(where, found).path, "{revision}", where.trees("dags"))\''
    )
    ids = [container["Id"] for container in stack.containers("worker", "scheduler", "dag-processor")]
    for _ in range(3):
        # The DAG processor makes its tree again while it is being deleted, which rm takes for a fault.
        gone = "for try in 1 2 3 4 5; do rm -rf /opt/airlock/state/cache/bundles/dags && exit 0; done; exit 1"
        docker("exec", ids[0], "sh", "-c", gone)
        makers = [
            subprocess.Popen(["docker", "exec", *user, container, "sh", "-c", make], stderr=subprocess.PIPE, text=True)
            for container in ids
            for user in ([], ["--user", "12345:0"])
        ]
        errors = [maker.communicate(timeout=120)[1] for maker in makers]
        assert [maker.returncode for maker in makers] == [0] * len(makers), errors
        listed = docker(
            "exec", ids[0], "find", f"/opt/airlock/state/cache/bundles/dags/versions/{revision}", "-name", "*.py"
        )
        assert len(listed.splitlines()) == len(list(stack.upstream.clone.rglob("*.py")))
    run_id = stack.trigger("first")
    wait_until(lambda: stack.run_state("first", run_id) == "success", "a run", timeout_s=90)


def test_many_people_and_pushes_at_once_end_in_the_newest_revision(stack: Stack) -> None:
    for number in range(4):
        revision = stack.upstream.push({"crowd.py": dag_file("crowd", f'"{number} 0 * * *"')})
        for _ in range(2):
            stack.trigger("airlock_sync_dags", {"reason": f"person {number}"})
    stack.wait_for_live(revision, timeout_s=300)
    history = stack.airlock("history", "--json")
    assert history.returncode == 0
    wait_until(
        lambda: all(run["state"] in ("success", "failed") for run in stack.runs("airlock_sync_dags")),
        "peace",
        timeout_s=240,
    )
    assert [run["state"] for run in stack.runs("airlock_sync_dags")[:8]].count("failed") == 0


def kill(container: dict[str, Any]) -> None:
    """Kill the main process of a container from outside, as the kernel does when memory runs out."""
    pid = int(container["State"]["Pid"])
    cgroup = Path(f"/proc/{pid}/cgroup")
    if cgroup.exists() and container["Id"] in cgroup.read_text():
        os.kill(pid, signal.SIGKILL)
        return
    docker("kill", container["Id"])  # the engine is elsewhere: its restart policy does not count a kill as a crash
    docker("start", container["Id"])


def ended(stack: Stack, dag_id: str, run_id: str) -> bool:
    answer = stack.api("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
    return answer.is_success and answer.json()["state"] in ("success", "failed")


def is_reachable(stack: Stack) -> bool:
    done = subprocess.run(["git", "ls-remote", stack.upstream.url], capture_output=True, check=False, timeout=30)
    return done.returncode == 0


def is_validating(stack: Stack) -> bool:
    found = [docker("top", container["Id"]) for container in stack.containers("worker")]
    return any("airlock.validate.warm" in text for text in found)


def leftovers(stack: Stack) -> list[str]:
    """Scratch of validations and half-made trees on the state volume, once everything is quiet."""
    place = "/opt/airlock/state/cache"
    (container, *_) = stack.containers("worker")
    listed = docker(
        "exec", container["Id"], "sh", "-c", f"ls {place}/validate {place}/bundles/dags/staging 2>/dev/null"
    )
    return [line for line in listed.splitlines() if line and not line.startswith("/")]
