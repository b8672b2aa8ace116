from __future__ import annotations

import pytest

from airlock.errors import ConfigError
from airlock.forge import address, gitea, github, gitlab
from airlock.forge.address import Address
from airlock.forge.status import Status

STATUS = Status(revision="a" * 40, state="error", description="d", context="airlock/dags", url="u")


@pytest.mark.parametrize(
    ("url", "server", "path"),
    [
        ("https://github.com/team/dags.git", "https://github.com", "team/dags"),
        ("https://dora@github.com/team/dags/", "https://github.com", "team/dags"),
        ("git@github.com:team/dags.git", "https://github.com", "team/dags"),
        ("ssh://git@ssh.github.com:443/team/dags.git", "https://github.com", "team/dags"),
        ("ssh://git@altssh.gitlab.com:443/a/b/dags.git", "https://gitlab.com", "a/b/dags"),
        ("ssh://git@git.example.com:2222/team/dags", "https://git.example.com", "team/dags"),
        ("https://git.example.com:3000/team/dags.git", "https://git.example.com:3000", "team/dags"),
        ("http://127.0.0.1:3000/team/dags.git", "http://127.0.0.1:3000", "team/dags"),
        ("http://[::1]:3000/team/dags.git", "http://[::1]:3000", "team/dags"),
    ],
)
def test_the_address_is_read_from_the_url_that_git_uses(url: str, server: str, path: str) -> None:
    assert address.of(url, subject="source dags") == Address(server=server, path=path)


@pytest.mark.parametrize(
    "url",
    ["/srv/dags.git", "file:///srv/a/dags.git", "https://host/dags", "https://host:x/a/b", "https://h/a/../b", ""],
)
def test_what_is_no_forge_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match=r"source dags: .* is not the URL of a repository on a forge"):
        address.of(url, subject="source dags")


@pytest.mark.parametrize("host", ["git.example.com", "127.0.0.1.example.com", "localhost"])
def test_a_token_does_not_travel_in_the_clear(host: str) -> None:
    with pytest.raises(ConfigError, match="in the clear") as caught:
        address.of(f"http://u:secret@{host}/team/dags", subject="source dags")
    assert caught.value.reason == "InsecureAddress"
    assert "secret" not in str(caught.value)


def test_each_forge_has_its_api_on_its_own_host() -> None:
    public, own = Address(server="https://github.com", path="a/b"), Address(server="https://host", path="a/b/c")
    sha = STATUS.revision
    assert github.call(public, STATUS, "t").url == f"https://api.github.com/repos/a/b/statuses/{sha}"
    assert github.call(own, STATUS, "t").url == f"https://host/api/v3/repos/a/b/c/statuses/{sha}"
    assert gitlab.call(own, STATUS, "t").url == f"https://host/api/v4/projects/a%2Fb%2Fc/statuses/{sha}"
    assert gitea.call(own, STATUS, "t").url == f"https://host/api/v1/repos/a/b/c/statuses/{sha}"


def test_gitlab_has_no_error() -> None:
    assert gitlab.call(Address(server="https://host", path="a/b"), STATUS, "t").body["state"] == "failed"


def test_a_call_does_not_show_its_token() -> None:
    assert "secret" not in repr(github.call(Address(server="https://host", path="a/b"), STATUS, "secret"))
