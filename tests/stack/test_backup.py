"""A stack is backed up while it runs, destroyed, and comes back with its releases, runs, secrets and users."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import wait_until
from tests.e2e.stack import Stack, docker

from airlock import project

pytestmark = [pytest.mark.timeout(1200), pytest.mark.compose]

LOST = ("state", "postgres", "secrets", "backend", "logs")


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A stack of its own, since it gets destroyed."""
    made = new_stack("backup", kind="compose")
    done = made.up()
    assert done.returncode == 0, done.stdout + done.stderr + made.logs()[-20000:]
    yield made
    made.down()


def run(stack: Stack, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(project.ROOT / "deploy" / script), *args],
        env={**os.environ, **stack.variables()},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_a_destroyed_stack_is_restored_from_its_backup(stack: Stack, tmp_path: Path) -> None:
    stack.wait_for_live(stack.upstream.push({"first.py": dag_file("first")}))
    assert stack.api("POST", "/api/v2/variables", {"key": "colour", "value": "blue"}).is_success
    run_id = stack.trigger("first")
    wait_until(lambda: stack.run_state("first", run_id) == "success", "a run", timeout_s=90)
    stack.compose("exec", "-T", "api-server", "true")
    history, password = json.loads(stack.airlock("history", "--json").stdout), stack.password()

    archive = tmp_path / "airlock.tar"
    taken = run(stack, "backup", str(archive))
    assert taken.returncode == 0, taken.stderr
    assert archive.stat().st_mode & 0o077 == 0
    assert password not in taken.stdout + taken.stderr
    again = run(stack, "backup", str(archive))
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    running = run(stack, "restore", str(archive))
    assert (running.returncode, "the stack is running" in running.stderr) == (2, True)

    stack.compose("--profile", "*", "down", "--timeout", "5")
    docker("volume", "rm", *(f"{stack.name}_{name}" for name in LOST))
    garbage = tmp_path / "garbage.tar"
    garbage.write_bytes(b"x" * 4096)
    refused = run(stack, "restore", str(garbage))
    assert (refused.returncode, "is not a backup" in refused.stderr) == (2, True)

    restored = run(stack, "restore", str(archive))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    stack.forget_password()
    assert stack.password() == password
    assert stack.run_state("first", run_id) == "success"
    assert stack.api("GET", "/api/v2/variables/colour").json()["value"] == "blue"
    assert json.loads(stack.airlock("history", "--json").stdout)[-len(history) :] == history
    stack.wait_for_live(stack.upstream.push({"second.py": dag_file("second")}), timeout_s=120)
    later = stack.trigger("first")
    wait_until(lambda: stack.run_state("first", later) == "success", "a later run", timeout_s=90)


def test_restoring_over_a_stack_that_is_there_moves_its_state_aside(stack: Stack, tmp_path: Path) -> None:
    old = stack.upstream.push({"first.py": dag_file("first")})
    stack.wait_for_live(old)
    archive = tmp_path / "airlock.tar"
    assert run(stack, "backup", str(archive)).returncode == 0
    new = stack.upstream.push({"second.py": dag_file("second")})
    stack.wait_for_live(new)
    stack.compose("--profile", "*", "down", "--timeout", "5")
    restored = run(stack, "restore", str(archive))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    listed = stack.compose(
        "exec", "-T", "scheduler", "sh", "-c", "ls -d state/before-restore-*/sources/dags.git"
    ).stdout
    assert len(listed.splitlines()) == 1
    stack.wait_for_live(new, timeout_s=120)  # upstream is ahead of the backup, so it is followed again
