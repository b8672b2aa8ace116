"""An upgrade is rehearsed: a candidate image that breaks a DAG is found out, and the DAG is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.deployment import wait_until
from tests.e2e.stack import Stack, docker

pytestmark = [pytest.mark.timeout(900), pytest.mark.compose]

# In this image the provider's module is gone, as after an upgrade that moved it; and a package is another version.
BREAKING = """
ARG BASE
FROM $BASE
USER root
RUN set -e; site=$(python -c 'import airflow.providers.standard as it; print(it.__path__[0])'); \\
    rm "$site/operators/bash.py"; \\
    uv pip uninstall --quiet ruff
USER 50000
"""


@pytest.fixture(scope="module")
def candidate(sandboxed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("candidate")
    (folder / "Dockerfile").write_text(BREAKING)
    image = sandboxed.settings["AIRLOCK_IMAGE"]
    name = f"{image}-candidate"
    docker("build", "--quiet", "--build-arg", f"BASE={image}", "--tag", name, str(folder), timeout_s=300)
    yield name
    docker("rmi", "--force", name)


def rehearse(stack: Stack, image: str) -> tuple[str, dict[str, Any], str]:
    """Rehearse an image; return the run's state, the report, and the task's log."""
    run_id = stack.trigger("airlock_rehearsal", {"image": image})
    wait_until(
        lambda: stack.run_state("airlock_rehearsal", run_id) in ("success", "failed"), "a rehearsal", timeout_s=180
    )
    path = f"/api/v2/dags/airlock_rehearsal/dagRuns/{run_id}/taskInstances/rehearse/xcomEntries/outcome"
    answer = stack.api("GET", f"{path}?deserialize=true")
    state = stack.run_state("airlock_rehearsal", run_id)
    return (
        state,
        answer.json()["value"] if answer.is_success else {},
        stack.log("airlock_rehearsal", run_id, "rehearse"),
    )


def test_a_candidate_that_breaks_a_dag_is_found_out(sandboxed: Stack, candidate: str) -> None:
    live = sandboxed.source()["live"]
    state, report, log = rehearse(sandboxed, candidate)
    assert state == "failed"
    [broken] = report["effect"]["broken"]
    assert (broken["dag_id"], broken["file"]) == ("shell", "shell.py")
    [finding] = broken["findings"]
    assert (finding["rule"], finding["line"]) == ("import-error", 2)
    assert "airflow.providers.standard.operators.bash" in finding["message"]
    [use] = report["effect"]["removed_api"]
    assert (use["file"], "airflow.decorators.task" in use["message"]) == ("old.py", True)
    assert [(one["kind"], one["name"]) for one in report["packages"]] == [("removed", "ruff")]
    assert f"CandidateBreaks: {candidate}: 1 DAG would break: shell" in log
    assert "DAGs that would break" in log
    told = sandboxed.airlock("rehearse", candidate, "--wait")
    assert told.returncode == 1, told.stderr
    assert f"# Rehearsal of {candidate}" in told.stdout
    assert "- **shell** (`shell.py`)" in told.stdout
    assert sandboxed.source()["live"] == live
    assert sandboxed.source()["last_verdict"]["result"] == "passed"


def test_the_image_that_runs_breaks_nothing_and_brings_its_lockfile(sandboxed: Stack) -> None:
    state, report, log = rehearse(sandboxed, sandboxed.settings["AIRLOCK_IMAGE"])
    assert state == "success", log
    assert (report["good"], report["packages"], report["effect"]["changes"]) == (True, [], [])
    assert report["candidate"] == {**report["running"], "problem": ""}
    kept = sandboxed.compose(
        *("exec", "-T", "scheduler", "git", "-C", "/opt/airlock/state/sources/dags.git"),
        *("cat-file", "blob", "refs/airlock/rehearsal"),
    )
    lockfile = json.loads(kept.stdout)["lockfile"]
    assert 'lock-version = "1.0"' in lockfile["pylock.toml"]


def test_a_plain_image_without_airlock_is_a_candidate_too(sandboxed: Stack) -> None:
    state, report, log = rehearse(sandboxed, "apache/airflow:3.3.2")
    assert state == "success", log
    assert report["candidate"]["airflow"] == "3.3.2"
    assert "IndexUnreachable" in report["candidate"]["problem"]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("airlock:not-built", "the Docker engine has no image airlock:not-built"),
        ("postgres:17", "image postgres:17 is refused"),
    ],
)
def test_an_image_that_cannot_be_used_is_named(sandboxed: Stack, image: str, told: str) -> None:
    state, report, log = rehearse(sandboxed, image)
    assert (state, report) == ("failed", {})
    assert told in log
    assert "hint:" in log


def test_a_stack_without_the_door_to_the_engine_says_so(sandboxed: Stack) -> None:
    sandboxed.compose("stop", "--timeout", "3", "docker-proxy")
    try:
        state, _, log = rehearse(sandboxed, sandboxed.settings["AIRLOCK_IMAGE"])
    finally:
        sandboxed.compose("start", "docker-proxy")
    assert state == "failed"
    assert "no Docker engine answers at tcp://docker-proxy:2375" in log
    assert "start the stack with profile sandbox" in log
