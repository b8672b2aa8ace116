"""The repository that up is asked to follow: every way in which it can be wrong, on real repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock.embedded import layout as layouts, repository
from airlock.embedded.deployment import Deployment
from airlock.embedded.layout import Layout
from airlock.errors import UsageError


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(root=tmp_path / "state")
    layouts.prepare(made)
    return made


def refused(deployment: Deployment, layout: Layout) -> UsageError:
    with pytest.raises(UsageError) as caught:
        repository.settled(deployment, layout)
    return caught.value


@pytest.mark.parametrize(
    "repo",
    [
        "https://git.example.com/team/dags.git",
        "git@git.example.com:team/dags.git",
        "ssh://git@git.example.com/dags.git",
    ],
)
def test_addresses_stay_as_they_are(repo: str) -> None:
    assert repository.normalised(repo) == repo


def test_a_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dags").mkdir()
    monkeypatch.chdir(tmp_path)
    assert repository.normalised("dags") == str(tmp_path / "dags")
    assert repository.normalised("./dags/../dags") == str(tmp_path / "dags")


@pytest.mark.parametrize(
    "repo", ["https://dora:s3cret@git.example.com/dags.git", f"https://{'t' * 36}@git.example.com/dags.git"]
)
def test_an_address_with_a_secret_is_refused_without_showing_it(repo: str) -> None:
    with pytest.raises(UsageError) as caught:
        repository.normalised(repo)
    assert "s3cret" not in str(caught.value)
    assert "ttt" not in str(caught.value)
    assert "--conn-id" in caught.value.hint


@pytest.mark.parametrize("repo", ["", "-u", "no/such/folder"])
def test_what_is_no_repository_is_refused(repo: str) -> None:
    with pytest.raises(UsageError):
        repository.normalised(repo)


def test_the_default_branch_is_the_repositorys_own(layout: Layout, upstream: Upstream) -> None:
    upstream.push({"a.py": "1"}, branch="trunk")
    upstream.push({"b.py": "1"})
    assert repository.settled(Deployment(repo=upstream.url, branch=""), layout).branch == "main"
    subprocess.run(["git", f"--git-dir={upstream.url}", "symbolic-ref", "HEAD", "refs/heads/trunk"], check=True)
    assert repository.settled(Deployment(repo=upstream.url, branch=""), layout).branch == "trunk"


def test_a_default_branch_that_does_not_exist(layout: Layout, upstream: Upstream) -> None:
    subprocess.run(["git", f"--git-dir={upstream.url}", "symbolic-ref", "HEAD", "refs/heads/gone"], check=True)
    upstream.push({"a.py": "1"}, branch="only")
    assert repository.settled(Deployment(repo=upstream.url, branch=""), layout).branch == "only"
    upstream.push({"a.py": "1"}, branch="other")
    error = refused(Deployment(repo=upstream.url, branch=""), layout)
    assert "only, other" in error.hint


def test_a_missing_branch_names_near_ones(layout: Layout, upstream: Upstream) -> None:
    upstream.push({"a.py": "1"})
    upstream.push({"a.py": "1"}, branch="release/2026")
    error = refused(Deployment(repo=upstream.url, branch="relase/2026"), layout)
    assert error.reason == "BranchMissing"
    assert error.hint == "did you mean release/2026?"
    assert refused(Deployment(repo=upstream.url, branch="zzz"), layout).hint == "there are: main, release/2026"


def test_an_empty_repository(layout: Layout, upstream: Upstream) -> None:
    error = refused(Deployment(repo=upstream.url, branch=""), layout)
    assert error.reason == "RepositoryEmpty"
    assert upstream.url in error.message


def test_a_folder_that_is_no_repository(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    error = refused(Deployment(repo=str(tmp_path / "plain"), branch=""), layout)
    assert error.reason == "RepositoryMissing"
    assert str(tmp_path / "plain") in error.message


def test_a_server_that_does_not_answer(layout: Layout) -> None:
    error = refused(Deployment(repo="http://127.0.0.1:9/dags.git", branch=""), layout)
    assert error.reason == "HostUnreachable"
    assert "127.0.0.1:9" in error.message


def test_a_repository_behind_a_connection_is_not_looked_at(layout: Layout) -> None:
    settled = repository.settled(Deployment(repo="http://127.0.0.1:9/dags.git", branch="", conn_id="git_dags"), layout)
    assert settled.branch == "main"


def test_without_a_repository_the_sample_is_followed(layout: Layout) -> None:
    settled = repository.settled(Deployment(), layout)
    assert settled.branch == "main"
    assert (layout.sample_clone / "README.md").exists()


def test_nothing_of_a_surrounding_repository_is_used(
    layout: Layout, make_upstream: Callable[[str], Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream, other = make_upstream("one"), make_upstream("two")
    upstream.push({"a.py": "1"})
    monkeypatch.setenv("GIT_DIR", other.url)
    assert repository.settled(Deployment(repo=upstream.url, branch=""), layout).branch == "main"
    assert repository.settled(Deployment(), layout).branch == "main"
    assert os.listdir(f"{other.url}/refs/heads") == []
