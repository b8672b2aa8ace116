from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import work_tree
from airlock.errors import UsageError


@pytest.fixture
def tree(upstream: Upstream) -> Path:
    upstream.push({"dags/a.py": "a\n", "dags/b.py": "b\n", "gone.py": "g\n", ".gitignore": "*.log\n"})
    return upstream.clone


def test_nothing_changed_since_now(tree: Path) -> None:
    assert work_tree.changed_since(tree, "HEAD") == work_tree.Changed(files=frozenset(), deleted=frozenset())


def test_committed_staged_unstaged_and_untracked_changes_all_count(tree: Path, upstream: Upstream) -> None:
    base = upstream.git("rev-parse", "HEAD").strip()
    upstream.push({"dags/a.py": "changed\n", "gone.py": None})
    (tree / "dags/b.py").write_text("changed\n")
    (tree / "staged é.py").write_text("new\n")
    upstream.git("add", "staged é.py")
    (tree / "new.py").write_text("new\n")
    (tree / "ignored.log").write_text("x\n")
    changed = work_tree.changed_since(tree, base)
    assert changed.files == {"dags/a.py", "gone.py", "dags/b.py", "staged é.py", "new.py"}
    assert changed.deleted == {"gone.py"}


def test_paths_are_those_of_the_folder_that_is_asked_about(tree: Path) -> None:
    (tree / "dags/b.py").write_text("changed\n")
    (tree / "dags/new.py").write_text("new\n")
    (tree / "outside.py").write_text("new\n")
    assert work_tree.changed_since(tree / "dags", "HEAD").files == {"b.py", "new.py"}
    assert work_tree.top(tree / "dags") == tree.resolve()


def test_a_renamed_file_changed_under_both_names(tree: Path, upstream: Upstream) -> None:
    upstream.git("mv", "dags/a.py", "dags/z.py")
    changed = work_tree.changed_since(tree, "HEAD")
    assert (changed.files, changed.deleted) == ({"dags/a.py", "dags/z.py"}, {"dags/a.py"})


def test_what_others_did_to_the_base_branch_is_no_change(tree: Path, upstream: Upstream) -> None:
    upstream.git("switch", "-q", "-c", "feature")
    upstream.git("switch", "-q", "main")
    (tree / "dags/b.py").write_text("theirs\n")
    upstream.git("commit", "-qam", "theirs")
    upstream.git("switch", "-q", "feature")
    (tree / "dags/a.py").write_text("ours\n")
    assert work_tree.changed_since(tree, "main").files == {"dags/a.py"}


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "HEAD:dags"])
def test_an_unknown_revision_is_the_callers_mistake(tree: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="no commit, branch or tag"):
        work_tree.changed_since(tree, revision)


def test_outside_of_a_repository_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="not in a git repository"):
        work_tree.changed_since(tmp_path / "plain", "HEAD")
    assert work_tree.top(tmp_path / "plain") == tmp_path / "plain"


def test_looking_writes_nothing(tree: Path) -> None:
    (tree / "dags/b.py").write_text("changed\n")
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    work_tree.changed_since(tree, "HEAD")
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before


def test_a_copy_holds_what_a_commit_of_everything_would_hold(tree: Path, tmp_path: Path) -> None:
    (tree / "dags" / "new é.py").write_text("new\n")
    (tree / "dags" / "b.py").write_text("changed\n")
    (tree / "gone.py").unlink()
    (tree / "noise.log").write_text("ignored\n")
    (tree / "dags" / "link.py").symlink_to("a.py")
    (tree / ".venv").mkdir()
    (tree / ".venv" / ".gitignore").write_text("*\n")
    (tree / ".venv" / "dag.py").write_text("import airflow\n")
    assert work_tree.copy(tree, tmp_path / "copy")
    copied = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*")}
    assert copied == {".gitignore", "dags", "dags/a.py", "dags/b.py", "dags/new é.py", "dags/link.py"}
    assert (tmp_path / "copy/dags/b.py").read_text() == "changed\n"
    assert (tmp_path / "copy/dags/link.py").is_symlink()


def test_a_copy_of_a_folder_has_its_own_paths(tree: Path, tmp_path: Path) -> None:
    assert work_tree.copy(tree / "dags", tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["a.py", "b.py"]


def test_what_no_repository_holds_is_not_copied(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tree / ".gitignore").write_text("inner/\n")
    (tree / "inner").mkdir()
    (tree / "inner" / "a.py").write_text("a\n")
    for folder in (tmp_path / "plain", tree / "inner"):
        assert not work_tree.copy(folder, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("taken", [False, True])
def test_submodules_are_copied_when_they_are_asked_for(
    taken: bool, upstream: Upstream, make_upstream: Callable[[str], Upstream], tmp_path: Path
) -> None:
    library = make_upstream("library")
    library.push({"words.py": "1"})
    upstream.push({"dags/a.py": "a\n"})
    upstream.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.url, "libs")
    target = tmp_path / "copied"
    assert work_tree.copy(upstream.clone, target, submodules=taken)
    assert (target / "dags/a.py").exists()
    assert (target / "libs/words.py").exists() == taken
