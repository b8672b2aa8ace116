"""The sample DAG repository: a bare repository that stands in for a server, and a clone to edit and push from."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from airlock import process
from airlock.embedded.layout import Layout

BRANCH = "main"
_FILES = Path(__file__).parent / "sample_repo"
_AUTHOR = ("-c", "user.name=Airlock", "-c", "user.email=airlock@localhost")
_TIMEOUT_S = 60


def ensure(layout: Layout) -> None:
    """Make the repository and the clone where they are missing; what the user did to them stays."""
    make_upstream(layout.sample_upstream)
    if not layout.sample_clone.exists():
        staging = _emptied(layout.sample_clone)
        _git("clone", "--quiet", str(layout.sample_upstream), str(staging))
        # Relative, so that the state directory can be moved.
        _git("-C", str(staging), "remote", "set-url", "origin", f"../{layout.sample_upstream.name}")
        if not _git("-C", str(staging), "config", "user.email", check=False):
            _git("-C", str(staging), "config", "user.name", "Airlock user")
            _git("-C", str(staging), "config", "user.email", "user@localhost")
        staging.rename(layout.sample_clone)


def make_upstream(path: Path) -> None:
    """Make the bare repository with its first commit, complete or not at all; one that is there stays as it is."""
    if (path / "HEAD").exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = _emptied(path)
    _git("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(staging))
    _first_commit(staging, work=_emptied(path.with_name("first")))
    staging.rename(path)


def _first_commit(upstream: Path, *, work: Path) -> None:
    shutil.copytree(_FILES, work, ignore=shutil.ignore_patterns("__pycache__"))
    in_work = ("-C", str(work), *_AUTHOR)
    _git("init", "--quiet", f"--initial-branch={BRANCH}", str(work))
    _git(*in_work, "add", "--all")
    _git(*in_work, "commit", "--quiet", "--no-gpg-sign", "-m", "Sample DAGs")
    _git(*in_work, "push", "--quiet", str(upstream), BRANCH)
    shutil.rmtree(work)


def _emptied(path: Path) -> Path:
    """Return a place beside ``path`` to build it in, without what a crash may have left there."""
    staging = path.with_name(f".{path.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    return staging


def _git(*args: str, check: bool = True) -> str:
    """Run git as the user does, with the user's configuration, but none of a surrounding repository's variables."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    kept = {name: value for name, value in os.environ.items() if name.startswith("GIT_CONFIG_")}
    command = ["git", "-c", "core.hooksPath=/dev/null", *args]
    return process.run(command, timeout_s=_TIMEOUT_S, env={**environ, **kept}, check=check).text
