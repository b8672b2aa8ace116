"""The rules of the layout: who may import what, and what no file may contain."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airlock import project

PACKAGE = project.ROOT / "include" / "airlock"
# The only modules that may import Airflow while they are imported.
AT_THE_EDGE = {
    "bundle",
    "watcher",
    "environment_trigger",
    "stack",
    "local_executor",
    "sync_dag",
    "release_dag",
    "approval_dag",
    "operator",
}
# What a module may not import: the arrows of the layout point one way.
FORBIDDEN = {
    "errors": ("airlock.",),
    "folders": ("airlock.",),
    "text": ("airlock.",),
    "verdict": ("airlock.",),
    "process": ("airlock.git", "airlock.mirror"),
    "refusal": ("airlock.git", "airlock.mirror"),
    "git": ("airlock.mirror", "airlock.release", "airlock.sync"),
    "locks": ("airlock.mirror", "airlock.release"),
    "mirror": ("airlock.release", "airlock.rebuild", "airlock.sync", "airlock.validate", "airlock.cli", "airlock.web"),
    "submodules": ("airlock.composition", "airlock.release", "airlock.sync", "airlock.validate", "airlock.cli"),
    "variant": ("airlock.composition", "airlock.release", "airlock.sync", "airlock.validate", "airlock.cli"),
    "composition": ("airlock.judgement", "airlock.sync", "airlock.validate", "airlock.cli", "airlock.web"),
    "rebuild": ("airlock.release", "airlock.sync", "airlock.validate", "airlock.cli", "airlock.web"),
    "release_repository": ("airlock.mirror", "airlock.sync", "airlock.validate", "airlock.cli", "airlock.web"),
    "agreement": ("airlock.sync", "airlock.validate", "airlock.cli", "airlock.web"),
    "replica": ("airlock.sync", "airlock.validate", "airlock.cli", "airlock.web"),
    "supply": ("airlock.sync", "airlock.validate", "airlock.cli", "airlock.web"),
    "release": ("airlock.sync", "airlock.validate", "airlock.cli", "airlock.web"),
    "tree": ("airlock.composition", "airlock.release", "airlock.sync", "airlock.validate", "airlock.cli"),
    "validate": ("airlock.mirror", "airlock.release", "airlock.sync", "airlock.sandbox", "airlock.cli", "airlock.web"),
    "sandbox": ("airlock.mirror", "airlock.release", "airlock.sync", "airlock.rehearsal", "airlock.cli", "airlock.web"),
    "rehearsal": ("airlock.sync", "airlock.cli", "airlock.web"),
    "lockfile": ("airlock.mirror", "airlock.release", "airlock.sync", "airlock.cli", "airlock.web"),
    "outcome": ("airlock.",),
    "judgement": ("airlock.publication", "airlock.sync", "airlock.cli", "airlock.web", "airlock.embedded"),
    "publication": ("airlock.sync", "airlock.cli", "airlock.web", "airlock.embedded"),
    "sync": ("airlock.cli", "airlock.web", "airlock.embedded"),
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "sample_repo" not in path.parts)


def imports(path: Path, *, also_late: bool) -> set[str]:
    """Return the modules that a file imports: while it is imported itself, or also inside functions."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if also_late else iter(tree.body)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_airflow_is_imported_at_the_edge_only(path: Path) -> None:
    if path.stem not in AT_THE_EDGE:
        assert not {name for name in imports(path, also_late=False) if name.split(".")[0] == "airflow"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_dependencies_point_one_way(path: Path) -> None:
    forbidden = FORBIDDEN.get(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), ())
    own = f"airlock.{path.stem}"
    imported = {name for name in imports(path, also_late=True) if not name.startswith(("airlock.text", own))}
    assert not {name for name in imported for start in forbidden if name.startswith(start)}


@pytest.mark.parametrize(
    "module",
    [
        "airlock.cli",
        "airlock.cli.status",
        "airlock.cli.venv",
        "airlock.cli.up",
        "airlock.sync",
        "airlock.validate.judge",
    ],
)
def test_commands_start_without_airflow(module: str) -> None:
    code = f"import sys, {module}; print(sorted(name for name in sys.modules if name.split('.')[0] == 'airflow'))"
    environ = {**os.environ, "PYTHONPATH": str(project.ROOT / "include")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environ, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_one_module_moves_live() -> None:
    moving = {path.stem for path in MODULES if "refs/heads/live" in path.read_text()}
    assert moving <= {"release", "pointer", "mirror", "rebuild"}
    # In the release repository and its copies, where `release` says so.
    assert {path.stem for path in MODULES if "airlock.pointer.LIVE" in imports(path, also_late=True)} <= {
        "release",
        "release_repository",
        "agreement",
        "replica",
    }


def test_subprocesses_start_at_their_doors_only() -> None:
    doors = {"process", "forkserver", "test", "child", "supervisor", "launch", "stop"}
    users = {path.stem for path in MODULES if "subprocess" in imports(path, also_late=True)}
    assert users <= doors


def test_plugins_has_one_module() -> None:
    assert [path.name for path in (project.ROOT / "plugins").glob("*.py")] == ["airlock_plugin.py"]
