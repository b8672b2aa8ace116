"""Every test runs with a home, a git identity and an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.deployments import deployment, kind, new_deployment, new_stack
from tests.upstream import Upstream

__all__ = ["deployment", "kind", "new_deployment", "new_stack"]  # one of each for all folders of a session

_FOREIGN = re.compile(r"(GIT|AIRFLOW|AIRLOCK|UV|_AIRFLOW)_.*|VIRTUAL_ENV|PYTHON(HOME|STARTUP)")
REAL_HOME = Path.home()
collect_ignore = ["cases"]  # whole repositories, some with tests of their own


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--on``."""
    parser.addoption(
        "--on", choices=("embedded", "compose", "celery"), default="embedded", help="which deployment stories are about"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are about another kind of deployment; a test without a mark is about every kind."""
    kind = config.getoption("--on")
    marks = {"embedded", "compose", "celery"}
    others = [
        item for item in items if (own := marks & {mark.name for mark in item.iter_markers()}) and kind not in own
    ]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.fixture(autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the user's configuration from the test, and prove afterwards that it stayed hidden."""
    for name in list(os.environ):
        if _FOREIGN.fullmatch(name):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOCKER_CONFIG", os.environ.get("DOCKER_CONFIG", str(REAL_HOME / ".docker")))  # its plugins
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Dora")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "dora@example.com")
    before = _entries(REAL_HOME)
    yield
    new = _entries(REAL_HOME) - before
    assert not new & {".gitconfig", "airflow", ".airlock"}, f"the test wrote to the real home: {new}"


def _entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@pytest.fixture
def make_upstream(tmp_path: Path) -> Callable[[str], Upstream]:
    """Return a function that makes an upstream repository with a branch ``main`` and no commit."""

    def make(name: str = "upstream") -> Upstream:
        bare, clone = tmp_path / f"{name}.git", tmp_path / name
        for command in (
            ["init", "--quiet", "--bare", "-b", "main", str(bare)],
            ["init", "--quiet", "-b", "main", str(clone)],
        ):
            subprocess.run(["git", *command], check=True, capture_output=True, timeout=60)
        upstream = Upstream(url=str(bare), clone=clone)
        upstream.git("remote", "add", "origin", str(bare))
        return upstream

    return make


@pytest.fixture
def upstream(make_upstream: Callable[[str], Upstream]) -> Upstream:
    """One upstream repository."""
    return make_upstream("upstream")
