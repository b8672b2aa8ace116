"""What a source follows: a branch, a tag, the newest version of a pattern, or one commit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import following, mirror as mirrors
from airlock.errors import ConfigError, UpstreamError
from airlock.mirror import Mirror
from airlock.source import Source, parse
from airlock.state import State

TAGS = [f"refs/tags/{tag}" for tag in ("v1.9.0", "v1.10.0", "v1.10.0rc2", "v2-broken", "latest", "etl/3", "etl/12")]


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("v*", "v1.10.0"),
        ("v1.9*", None),  # .0 is no version
        ("v1.10.0rc?", "v1.10.0rc2"),
        ("etl/*", "etl/12"),
        ("latest", "latest"),
        ("v3", None),
        ("w*", None),
    ],
)
def test_a_pattern_means_the_highest_version(tag: str, found: str | None) -> None:
    source = Source(name="dags", tag=tag)
    assert following.branch_or_tag(source, TAGS) == (f"refs/tags/{found}" if found else None)


def fetched(tmp_path: Path, upstream: Upstream, **followed: str) -> Mirror:
    source = parse("dags", {"repo_url": upstream.url, **followed}, path="bundle")
    mirror = mirrors.of(State(root=tmp_path / "state"), source)
    with mirror.fetching():
        mirror.fetch(upstream.url, env={})
    return mirror


def test_the_mirror_goes_with_tags_that_come_move_and_go(upstream: Upstream, tmp_path: Path) -> None:
    first = upstream.push({"a.py": "1"})
    upstream.git("tag", "--annotate", "--message", "one", "v1.0")
    upstream.git("push", "--quiet", "origin", "v1.0")
    second = upstream.push({"a.py": "2"})
    assert fetched(tmp_path, upstream, tag="v*").upstream_revision() == first
    upstream.git("tag", "v1.1")
    upstream.git("push", "--quiet", "origin", "v1.1")
    assert fetched(tmp_path, upstream, tag="v*").upstream_revision() == second
    assert fetched(tmp_path, upstream, tag="v1.0").upstream_revision() == first
    upstream.git("push", "--quiet", "origin", ":refs/tags/v1.1")
    assert fetched(tmp_path, upstream, tag="v*").upstream_revision() == first
    upstream.git("push", "--quiet", "--force", "origin", f"{second}:refs/tags/v1.0")
    assert fetched(tmp_path, upstream, tag="v1.0").upstream_revision() == second


def test_a_commit_is_followed_for_ever(upstream: Upstream, tmp_path: Path) -> None:
    first = upstream.push({"a.py": "1"})
    upstream.push({"a.py": "2"})
    assert fetched(tmp_path, upstream, commit=first).upstream_revision() == first


@pytest.mark.parametrize("followed", [{"tag": "v*"}, {"commit": "0" * 40}])
def test_what_upstream_does_not_have_is_named(upstream: Upstream, tmp_path: Path, followed: dict[str, str]) -> None:
    upstream.push({"a.py": "1"})
    with pytest.raises(UpstreamError, match=r"upstream has no (tag 'v\*'|commit 000000000000)") as raised:
        fetched(tmp_path, upstream, **followed)
    assert raised.value.reason == "RefMissing"


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"tag": "v*", "branch": "main"}, "branch and tag exclude each other"),
        ({"commit": "abc"}, "not a whole commit"),
        ({"tag": "-x"}, "cannot be a tag"),
        ({"tag": "a..b"}, "cannot be a tag"),
    ],
)
def test_what_cannot_be_followed_is_an_error(kwargs: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse("dags", {"repo_url": "https://example.com/dags.git", **kwargs}, path="bundle")
