"""The sample repository: made once, kept as the user left it, and pushed from like any other."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from airlock.embedded import sample
from airlock.embedded.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(root=tmp_path / "a state")
    made.root.mkdir()
    sample.ensure(made)
    return made


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def push(layout: Layout, name: str) -> str:
    (layout.sample_clone / name).write_text("x = 1\n")
    git(layout.sample_clone, "add", "--all")
    git(layout.sample_clone, "commit", "--quiet", "-m", name)
    git(layout.sample_clone, "push", "--quiet")
    return git(layout.sample_clone, "rev-parse", "HEAD")


def test_it_has_dag_files_that_python_understands(layout: Layout) -> None:
    names = {path.name for path in layout.sample_clone.glob("*.py")}
    assert names == {"sales_check.py", "sales_daily.py", "sales_report.py"}
    for path in layout.sample_clone.rglob("*.py"):
        ast.parse(path.read_text("utf-8"))
    assert git(layout.sample_clone, "status", "--porcelain") == ""


def test_a_push_from_the_clone_arrives(layout: Layout) -> None:
    head = push(layout, "new.py")
    assert git(layout.sample_upstream, "rev-parse", "main") == head


def test_a_push_from_a_folder_of_the_clone_arrives(layout: Layout) -> None:
    (layout.sample_clone / "sales" / "new.py").write_text("x = 1\n")
    git(layout.sample_clone / "sales", "add", "--all")
    git(layout.sample_clone / "sales", "commit", "--quiet", "-m", "new")
    git(layout.sample_clone / "sales", "push", "--quiet")
    head = git(layout.sample_clone, "rev-parse", "HEAD")
    assert git(layout.sample_upstream, "rev-parse", "main") == head


def test_what_the_user_did_stays(layout: Layout) -> None:
    head = push(layout, "new.py")
    (layout.sample_clone / "unfinished.py").write_text("x = (")
    sample.ensure(layout)
    assert git(layout.sample_upstream, "rev-parse", "main") == head
    assert (layout.sample_clone / "unfinished.py").exists()


def test_a_deleted_clone_is_made_again(layout: Layout) -> None:
    head = push(layout, "new.py")
    subprocess.run(["rm", "-r", layout.sample_clone], check=True)
    sample.ensure(layout)
    assert git(layout.sample_clone, "rev-parse", "HEAD") == head


def test_a_moved_state_directory_still_takes_pushes(layout: Layout, tmp_path: Path) -> None:
    layout.root.rename(tmp_path / "moved")
    moved = Layout(root=tmp_path / "moved")
    head = push(moved, "new.py")
    assert git(moved.sample_upstream, "rev-parse", "main") == head


def test_somebody_without_a_git_identity_can_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME", raising=False)
        monkeypatch.delenv(f"GIT_{role}_EMAIL", raising=False)
    layout = Layout(root=tmp_path / "state")
    layout.root.mkdir()
    sample.ensure(layout)
    push(layout, "new.py")


def test_a_users_identity_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME", raising=False)
        monkeypatch.delenv(f"GIT_{role}_EMAIL", raising=False)
    (Path.home() / ".gitconfig").write_text("[user]\n name = Noor\n email = noor@example.com\n")
    layout = Layout(root=tmp_path / "state")
    layout.root.mkdir()
    sample.ensure(layout)
    push(layout, "new.py")
    assert git(layout.sample_clone, "log", "-1", "--format=%an") == "Noor"


def test_what_a_crash_left_is_replaced(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path / "state")
    for name in (".upstream.git.new", ".first.new", ".dags.new"):
        (layout.root / "sample" / name).mkdir(parents=True)
        (layout.root / "sample" / name / "half").write_text("half")
    sample.ensure(layout)
    assert sorted(path.name for path in (layout.root / "sample").iterdir()) == ["dags", "upstream.git"]
