from __future__ import annotations

from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import git
from airlock.errors import CommandFailed, UpstreamError, UsageError


def test_variables_of_a_surrounding_git_command_do_not_reach_ours(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = upstream.push({"a.py": "1"})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert git.commit_of(Path(upstream.url), "main") == revision


def test_configuration_of_the_user_does_not_change_what_we_write(tmp_path: Path, upstream: Upstream) -> None:
    (Path.home() / ".gitconfig").write_text("[core]\n\tautocrlf = true\n[init]\n\tdefaultBranch = other\n")
    git.init_bare(tmp_path / "made.git")
    assert (tmp_path / "made.git" / "HEAD").read_text() == "ref: refs/heads/live\n"


def test_a_repository_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a" / "made.git"
    git.init_bare(path)
    blob = git.write_blob(path, b"kept")
    git.init_bare(path)
    assert git.read_blob(path, blob) == b"kept"
    assert {entry.name for entry in path.parent.iterdir()} == {"made.git", ".staging"}
    assert list((path.parent / ".staging").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["--upload-pack=x", "-b", "a..b", "a b", "", "a@{1}", "a.lock", "a/", "ref\n", "a:b", "~", "a^"]
)
def test_a_name_that_git_could_misread_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not the name of a branch, tag or commit"):
        git.check_ref_name(name, subject="source dags")


@pytest.mark.parametrize("name", ["main", "feature/x-1", "v1.2", "0a1b2c3", "user@topic", "1.x"])
def test_ordinary_names_pass(name: str) -> None:
    assert git.check_ref_name(name, subject="source dags") == name


def test_remote_refs_are_listed_with_tags_peeled(upstream: Upstream) -> None:
    revision = upstream.push({"a.py": "1"})
    upstream.git("tag", "-a", "-m", "first", "v1")
    upstream.git("push", "--quiet", "origin", "v1")
    refs = {ref.name: ref.sha for ref in git.ls_remote(upstream.url, subject="source dags")}
    assert refs == {"HEAD": revision, "refs/heads/main": revision, "refs/tags/v1": revision}
    assert git.head_branch(upstream.url, subject="source dags") == "main"


def test_a_repository_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match="source dags: ls-remote failed") as caught:
        git.ls_remote(str(tmp_path / "nowhere"), subject="source dags")
    assert caught.value.reason == "RepositoryMissing"
    assert caught.value.hint


def test_a_host_that_does_not_answer_says_so() -> None:
    with pytest.raises(UpstreamError) as caught:
        git.ls_remote("http://127.0.0.1:9/x.git", subject="source dags")
    assert caught.value.reason == "HostUnreachable"


def test_a_password_in_a_url_is_never_shown() -> None:
    with pytest.raises(UpstreamError) as caught:
        git.ls_remote("http://dora:s3cret@127.0.0.1:9/x.git", subject="source dags")
    assert "s3cret" not in str(caught.value)


def test_refs_move_all_or_none(upstream: Upstream) -> None:
    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    bare = Path(upstream.url)
    with pytest.raises(CommandFailed):
        git.move_refs(bare, [f"create refs/tags/x {first}", f"update refs/heads/main {first} {first}"])
    assert git.commit_of(bare, "main") == second
    assert git.commit_of(bare, "refs/tags/x") is None


def test_a_commit_that_is_not_there_is_none_and_one_that_cannot_be_looked_for_is_an_error(
    upstream: Upstream, tmp_path: Path
) -> None:
    revision = upstream.push({"a.py": "1"})
    repository = Path(upstream.url)
    assert git.commit_of(repository, "refs/heads/main") == revision
    for name in ("refs/heads/none", "0" * 40, "1234567", "HEAD:a.py"):
        assert git.commit_of(repository, name) is None
    with pytest.raises(CommandFailed, match="not a git repository"):
        git.commit_of(tmp_path / "nowhere", "refs/heads/main")


def test_a_blob_that_is_not_there_is_none(upstream: Upstream) -> None:
    assert git.read_blob(Path(upstream.url), "refs/airlock/nothing") is None
