"""The pre-commit hook and the CI workflow, run as those who call them would."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.upstream import Upstream

from airlock import project

GOOD = "from airflow.sdk import DAG\n\nDAG('etl', schedule=None)\n"
BROKEN = "from airflow.sdk import DAG\n1 / 0\n"
WORKFLOW = project.ROOT / ".github" / "workflows" / "airlock-validate.yml"


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.fixture
def environ() -> dict[str, str]:
    # The launcher must find the environment that runs the tests, not create another one.
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.parametrize(("text", "status"), [(GOOD, 0), (BROKEN, 1)])
def test_the_hook_judges_the_repository_it_is_run_in(
    upstream: Upstream, environ: dict[str, str], text: str, status: int
) -> None:
    (hook,) = load(project.ROOT / ".pre-commit-hooks.yaml")
    assert (hook["language"], hook["pass_filenames"]) == ("script", False)
    upstream.push({"dags/etl.py": text})
    command, *words = shlex.split(hook["entry"])
    done = subprocess.run(
        [str(project.ROOT / command), *words, "--subdir", "dags"],
        cwd=upstream.clone,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    assert ("dags/etl.py:2: error" in done.stdout) == bool(status)


@pytest.mark.parametrize(
    ("changed_since", "status"), [("", 1), ("main", 0)], ids=["the whole repository", "what changed"]
)
def test_the_workflow_annotates_what_it_finds(
    tmp_path: Path, upstream: Upstream, environ: dict[str, str], changed_since: str, status: int
) -> None:
    upstream.push({"project/dags/bad.py": BROKEN})
    (upstream.clone / "project/dags/new.py").write_text(GOOD)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "dags").symlink_to(upstream.clone)
    (workspace / "airlock").symlink_to(project.ROOT)
    (step,) = [step for step in load(WORKFLOW)["jobs"]["validate"]["steps"] if step.get("name") == "Validate"]
    inputs = {"VALIDATE_PATH": "project", "VALIDATE_SUBDIR": "dags", "VALIDATE_CHANGED_SINCE": changed_since}
    assert step["env"].keys() == inputs.keys()
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=workspace,
        env={**environ, **inputs},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    assert ("::error file=project/dags/bad.py,line=2," in done.stdout) == bool(status)


def test_no_input_of_the_workflow_becomes_part_of_a_script() -> None:
    workflow = load(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    for step in workflow["jobs"]["validate"]["steps"]:
        assert "${{" not in step.get("run", "")
