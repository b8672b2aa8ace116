"""``airlock validate`` as a person, a hook and a CI job run it: a process of its own, on a real tree."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import mirror as mirrors, project, sync
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers

GOOD = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG("{name}", schedule="@daily"):
    BashOperator(task_id="a", bash_command="true")
"""
BROKEN = "from airflow.sdk import dag\n\n1 / 0\n"
COMMAND = [sys.executable, "-P", "-m", "airlock", "validate"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environ(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(project.ROOT / "include"), "PYTHONDONTWRITEBYTECODE": "1", **more}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


@pytest.fixture
def run(tree: Path) -> Run:
    def run_command(*args: str, cwd: Path = tree, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *args], cwd=cwd, env=environ(**more), capture_output=True, text=True, timeout=120, check=False
        )

    return run_command


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def snapshot(*folders: Path) -> dict[Path, int]:
    return {path: path.lstat().st_mtime_ns for folder in folders for path in (folder, *folder.rglob("*"))}


def test_a_sound_tree_passes_and_nothing_is_written_anywhere_but_for_a_time(
    tree: Path, run: Run, tmp_path: Path
) -> None:
    write(tree, {"etl.py": "import shared\n" + GOOD.format(name="etl"), "shared.py": "X = 1\n"})
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    before = snapshot(tree, home)
    done = run(HOME=str(home), TMPDIR=str(temporary))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("working tree passed: 1 DAG in 1 file")
    assert snapshot(tree, home) == before
    assert list(temporary.iterdir()) == []


def test_findings_are_exit_status_1_and_a_wrong_call_is_2(tree: Path, run: Run) -> None:
    write(tree, {"bad.py": BROKEN})
    done = run()
    assert done.returncode == 1
    assert "bad.py:3: error: ZeroDivisionError: division by zero [import-error]" in done.stdout
    for wrong in (["nowhere"], ["--subdir", ".."], ["--changed-since", "HEAD"], ["--values", "nowhere.json"]):
        done = run(*wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert "hint: " in done.stderr
    done = run(AIRLOCK_POLICY="nowhere.toml")
    assert done.returncode == 2
    assert "AIRLOCK_POLICY" in done.stderr


def test_the_deployments_policy_tightens_here_too(tree: Path, run: Run, tmp_path: Path) -> None:
    write(tree, {"etl.py": GOOD.format(name="etl"), "airlock.toml": '[rules.tags]\nseverity = "off"\n'})
    (tmp_path / "policy.toml").write_text('[rules.tags]\nseverity = "error"\nrequired = ["team:*"]\n')
    assert run().returncode == 0
    done = run(AIRLOCK_POLICY=str(tmp_path / "policy.toml"))
    assert done.returncode == 1
    assert "etl has no tag team:* [tags]" in done.stdout


def test_values_come_from_a_file_and_what_is_not_in_it_is_named(tree: Path, run: Run, tmp_path: Path) -> None:
    write(
        tree,
        {
            "etl.py": "from airflow.sdk import BaseHook, Variable\n"
            "region = Variable.get('region', default='none')\n"
            "host = BaseHook.get_connection('warehouse').host\n"
            "Variable.get('other', default='')\n" + GOOD.format(name="etl").replace('"etl"', "f'etl_{region}_{host}'")
        },
    )
    values = tmp_path / "values.json"
    connection = {"conn_type": "postgres", "host": "db", "password": "hunter22"}
    values.write_text(json.dumps({"variables": {"region": "eu"}, "connections": {"warehouse": connection}}))
    done = run("--values", str(values), "--format", "json")
    verdict = json.loads(done.stdout)
    assert [dag["dag_id"] for dag in verdict["dags"]] == ["etl_eu_db"]
    assert verdict["asked"] == {"etl.py": ["variable region", "connection warehouse", "variable other (unknown)"]}
    assert "hunter22" not in done.stdout
    done = run()
    assert done.returncode == 1
    assert "asked for, and not known here: connection warehouse, variable region" in done.stderr


def test_a_cache_spares_the_imports_of_what_did_not_change(tree: Path, run: Run, tmp_path: Path) -> None:
    write(tree, {"a.py": GOOD.format(name="a"), "b.py": GOOD.format(name="b")})
    arguments = ("--cache", str(tmp_path / "cache"), "--format", "json")
    assert json.loads(run(*arguments).stdout)["files"] == {"total": 2, "imported": 2, "cached": 0}
    write(tree, {"b.py": GOOD.format(name="other")})
    again = json.loads(run(*arguments).stdout)
    assert again["files"] == {"total": 2, "imported": 1, "cached": 1}
    assert [dag["dag_id"] for dag in again["dags"]] == ["a", "other"]


def test_only_what_a_change_may_have_caused_is_told(run: Run, upstream: Upstream) -> None:
    upstream.push(
        {
            "old_fault.py": BROKEN,
            "uses.py": "import shared\n" + GOOD.format(name="uses"),
            "shared.py": "X = 1\n",
            "quiet.py": GOOD.format(name="quiet"),
        }
    )
    clone = upstream.clone
    done = run("--changed-since", "HEAD", cwd=clone)
    assert (done.returncode, "old_fault" in done.stdout) == (0, False)
    (clone / "shared.py").write_text("X = 1 / 0\n")
    done = run("--changed-since", "HEAD", cwd=clone)
    assert done.returncode == 1
    assert "uses.py:1: error: ZeroDivisionError" in done.stdout
    assert "old_fault" not in done.stdout
    (clone / "shared.py").write_text("X = 1\n")
    (clone / "a_new.py").write_text(GOOD.format(name="quiet"))
    done = run("--changed-since", "main", cwd=clone)
    assert done.returncode == 1
    assert "quiet is also defined in a_new.py" in done.stdout


def test_a_virtual_environment_in_the_repository_is_not_taken_for_dag_files(run: Run, upstream: Upstream) -> None:
    upstream.push({"etl.py": GOOD.format(name="etl"), ".gitignore": ".venv/\n"})
    write(upstream.clone, {".venv/lib/example_dag.py": BROKEN, "new.py": GOOD.format(name="new")})
    done = run(cwd=upstream.clone)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 DAGs in 2 files" in done.stdout


def test_paths_for_code_hosts_count_from_the_top_of_the_work_tree(run: Run, upstream: Upstream) -> None:
    upstream.push({"project/dags/bad.py": BROKEN})
    done = run("project", "--subdir", "dags", "--format", "github", cwd=upstream.clone)
    assert done.stdout.startswith("::error file=project/dags/bad.py,line=3,title=airlock import-error::")


def test_a_terminal_gets_a_bar_and_colour_and_a_pipe_neither(tree: Path, run: Run) -> None:
    write(tree, {"a.py": GOOD.format(name="a"), "b.py": GOOD.format(name="b")})
    done = run()
    assert "\x1b" not in done.stdout + done.stderr
    ours, theirs = pty.openpty()
    process = subprocess.Popen(COMMAND, cwd=tree, env=environ(TERM="xterm"), stdout=theirs, stderr=theirs)
    os.close(theirs)
    told = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        told += data
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"1/2 files" in told
    assert b"\x1b[32mpassed\x1b[0m" in told


def test_the_stack_finds_the_same(run: Run, upstream: Upstream, tmp_path: Path) -> None:
    revision = upstream.push(
        {
            "airlock.toml": '[rules.tags]\nrequired = ["team:*"]\nseverity = "warning"\n',
            "bad.py": BROKEN,
            "etl.py": GOOD.format(name="etl"),
            "twice.py": GOOD.format(name="etl"),
            "old.py": "from airflow import DAG\n\nDAG('old', schedule=None)\n",
            "lib.py": "import no_such_package\nfrom airflow.sdk import DAG\n",
            "requirements.txt": "no-such-package\n",
        }
    )
    source, state = Source(name="dags", repo_url=upstream.url), State(root=tmp_path / "state")
    sync.run(source, state, sync.Request(), Answers())
    in_the_stack = mirrors.of(state, source).read_verdict(revision)
    assert in_the_stack
    here = json.loads(run("--format", "json", cwd=upstream.clone).stdout)
    stack_document = json.loads(json.dumps(in_the_stack.to_json()))
    for key in ("findings", "suppressed", "unchecked", "dags", "environment", "result"):
        assert here[key] == stack_document[key]
    assert {finding["rule"] for finding in here["findings"]} == {
        "import-error",
        "missing-package",
        "duplicate-dag-id",
        "deprecated-api",
        "unmet-requirement",
        "tags",
    }
