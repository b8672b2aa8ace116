"""A source over HTTP, through Airflow's connection and the git provider's hook: what a real server may do to it."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import github
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.git_servers import HttpGit, commands_with, http_git
from tests.upstream import Upstream

from airlock import (
    composition,
    credentials,
    git,
    mirror as mirrors,
    release as releases,
    sync,
    tree,
    upstream as upstreams,
)
from airlock.errors import CommandTimeout, ConfigError, UpstreamError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers

SECRET = "s3cr3t-of-dora"
Connect = Callable[..., None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpGit]:
    with http_git(tmp_path) as served:
        yield served


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that makes the Airflow connection of the source, or changes it."""

    def make(**fields: object) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_GIT_DAGS", json.dumps({"conn_type": "git", **fields}))

    return make


@pytest.fixture
def source(server: HttpGit, upstream: Upstream) -> Source:
    return Source(name="dags", repo_url=server.url(), git_conn_id="git_dags")


def fetch(mirror: Mirror) -> str | None:
    """Fetch as a sync does, and return what the source is at."""
    with credentials.access(mirror.source) as upstream, mirror.fetching():
        mirror.fetch(upstream.url, env=upstream.env)
    return mirror.upstream_revision()


def why_not(mirror: Mirror) -> UpstreamError:
    """Return why a fetch ends with an error."""
    with pytest.raises(UpstreamError) as caught:
        fetch(mirror)
    assert caught.value.hint
    assert f"source {mirror.source.name}" in caught.value.message
    return caught.value


def test_a_repository_for_everybody_is_followed_without_a_connection(
    server: HttpGit, upstream: Upstream, state: State
) -> None:
    mirror = mirrors.of(state, Source(name="dags", repo_url=server.url()))
    first = upstream.push({"a.py": "1"})
    assert fetch(mirror) == first
    second = upstream.push({"a.py": "2"})
    assert upstreams.revision(mirror.source) == second
    assert fetch(mirror) == second


def test_references_are_followed_forward_backward_and_sideways(
    server: HttpGit, upstream: Upstream, state: State, mirror: Mirror
) -> None:
    branch = replace(mirror, source=replace(mirror.source, git_conn_id=""))
    tag = mirrors.of(state, Source(name="tagged", repo_url=server.url(), tag="stable"))
    newest = mirrors.of(state, Source(name="newest", repo_url=server.url(), tag="v*"))

    def put(name: str, commit: str) -> None:
        upstream.git("tag", "--force", name, commit)
        upstream.git("push", "--quiet", "--force", "origin", name)

    first, second = upstream.push({"a.py": "1"}), upstream.push({"a.py": "2"})
    put("stable", second)
    put("v1.9", first)
    put("v1.10", second)
    assert [fetch(one) for one in (branch, tag, newest)] == [second, second, second]
    put("stable", first)
    upstream.git("push", "--quiet", "origin", ":v1.10")
    upstream.git("push", "--quiet", "--force", "origin", f"{first}:main")
    assert [fetch(one) for one in (branch, tag, newest)] == [first, first, first]
    upstream.git("checkout", "--quiet", "--orphan", "fresh")
    fresh = upstream.push({"a.py": "history of another kind"})
    assert fetch(branch) == fresh
    upstream.git("push", "--quiet", "origin", f"{fresh}:refs/heads/other", ":stable")
    upstream.git("-C", upstream.url, "symbolic-ref", "HEAD", "refs/heads/other")
    upstream.git("push", "--quiet", "origin", ":main")
    assert [why_not(one).reason for one in (branch, tag)] == ["BranchMissing", "RefMissing"]
    upstream.git("push", "--quiet", "origin", f"{second}:refs/heads/main")
    assert fetch(branch) == second


def test_a_user_with_a_token_is_let_in_and_the_token_shows_up_nowhere(
    server: HttpGit, upstream: Upstream, mirror: Mirror, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server.accounts["dora"] = SECRET
    connect(login="dora", password=SECRET)
    at_work: list[bytes] = []
    telling: list[bytes] = []

    def look_at_processes() -> None:
        at_work.extend(commands_with("remote-http"))
        telling.extend(commands_with(SECRET))

    server.on_request = look_at_processes
    revision = upstream.push({"a.py": "1"})
    assert fetch(mirror) == revision
    assert at_work
    assert telling == []
    assert not any(SECRET.encode() in place.read_bytes() for place in mirror.path.rglob("*") if place.is_file())
    assert SECRET not in caplog.text
    assert SECRET not in os.environ.get("AIRFLOW_GIT_TOKEN", "")


def test_a_token_in_the_url_of_the_connection_does_not_reach_the_mirror(
    server: HttpGit, upstream: Upstream, mirror: Mirror, connect: Connect, state: State
) -> None:
    server.accounts["dora"] = SECRET
    connect(host=server.url().replace("http://", f"http://dora:{SECRET}@"))
    mirror = mirrors.of(state, replace(mirror.source, repo_url=""))
    revision = upstream.push({"a.py": "1"})
    assert fetch(mirror) == revision
    assert not any(SECRET.encode() in place.read_bytes() for place in mirror.path.rglob("*") if place.is_file())


@pytest.mark.parametrize("password", ["wrong-s3cr3t", ""])
def test_a_wrong_or_missing_secret_is_refused_without_being_told(
    password: str,
    server: HttpGit,
    upstream: Upstream,
    mirror: Mirror,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.accounts["dora"] = SECRET
    upstream.push({"a.py": "1"})
    connect(login="dora", password=password)
    error = why_not(mirror)
    assert error.reason == "AuthenticationFailed"
    assert "s3cr3t" not in f"{error}{error.hint}{caplog.text}"


def test_a_secret_that_was_rotated_is_taken_from_the_connection_at_the_next_sync(
    server: HttpGit, upstream: Upstream, mirror: Mirror, connect: Connect
) -> None:
    server.accounts["dora"] = SECRET
    connect(login="dora", password=SECRET)
    first = upstream.push({"a.py": "1"})
    assert fetch(mirror) == first
    server.accounts["dora"] = "another"
    second = upstream.push({"a.py": "2"})
    assert why_not(mirror).reason == "AuthenticationFailed"
    assert mirror.upstream_revision() == first
    connect(login="dora", password="another")
    assert fetch(mirror) == second


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_server_that_fails_for_a_while_is_asked_again(
    status: int, server: HttpGit, upstream: Upstream, mirror: Mirror
) -> None:
    mirror = replace(mirror, source=replace(mirror.source, git_conn_id=""))
    revision = upstream.push({"a.py": "1"})
    server.answers.append(status)
    error = why_not(mirror)
    assert error.reason == "UpstreamUnavailable"
    assert str(status) in error.message
    assert fetch(mirror) == revision


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "AuthenticationFailed"), (403, "AuthenticationFailed"), (404, "RepositoryMissing")],
)
def test_each_refusal_has_its_reason(
    status: int, reason: str, server: HttpGit, upstream: Upstream, mirror: Mirror, connect: Connect
) -> None:
    upstream.push({"a.py": "1"})
    connect(login="dora", password=SECRET)
    server.answers += [status] * 3
    assert why_not(mirror).reason == reason


def test_numbers_in_an_address_are_not_mistaken_for_a_status(server: HttpGit, mirror: Mirror) -> None:
    server.answers.append(500)
    odd = replace(mirror, source=Source(name="dags", repo_url=server.url("team-403/401-404.git")))
    assert why_not(odd).reason == "UpstreamUnavailable"


def test_a_server_that_hangs_is_given_up_and_named(
    server: HttpGit, upstream: Upstream, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = replace(mirror, source=replace(mirror.source, git_conn_id=""))
    revision = upstream.push({"a.py": "1"})
    monkeypatch.setattr(git, "UPSTREAM_TIMEOUT_S", 1)
    server.hangs.set()
    with pytest.raises(CommandTimeout, match="source dags: fetch") as caught:
        fetch(mirror)
    assert (caught.value.reason, bool(caught.value.hint)) == ("TimedOut", True)
    assert commands_with(server.url()) == []
    server.hangs.clear()
    monkeypatch.undo()
    assert fetch(mirror) == revision


def test_a_redirect_is_followed_and_the_secret_is_not_given_to_another_host(
    server: HttpGit, upstream: Upstream, mirror: Mirror, connect: Connect, tmp_path: Path
) -> None:
    revision = upstream.push({"a.py": "1"})
    server.accounts["dora"] = SECRET
    connect(login="dora", password=SECRET)
    with http_git(tmp_path) as elsewhere:
        server.redirect = f"http://127.0.0.1:{elsewhere.port}"
        assert fetch(mirror) == revision
        elsewhere.accounts["dora"] = SECRET
        upstream.push({"a.py": "2"})
        assert why_not(mirror).reason == "AuthenticationFailed"
        assert not [headers for _, headers in elsewhere.asked if "Authorization" in headers]


def test_a_connection_that_does_not_exist_is_named(
    mirror: Mirror, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect()
    monkeypatch.delenv("AIRFLOW_CONN_GIT_DAGS")
    with pytest.raises(ConfigError, match="connection 'git_dags' is not usable") as caught:
        fetch(mirror)
    assert caught.value.reason == "ConnectionUnusable"


def test_what_is_wrong_in_a_connection_is_told(mirror: Mirror, connect: Connect) -> None:
    connect(extra={"key_file": "/a", "private_key": "b"})
    with pytest.raises(ConfigError, match="Both 'key_file' and 'private_key'"):
        fetch(mirror)
    connect(extra={"key_file": "/a", "strict_host_key_checking": "perhaps"})
    with pytest.raises(ConfigError, match="strict_host_key_checking") as caught:
        fetch(mirror)
    assert caught.value.reason == "ConnectionUnusable"


def test_a_submodule_on_the_same_host_gets_the_secret_and_one_elsewhere_does_not(
    server: HttpGit,
    make_upstream: Callable[[str], Upstream],
    upstream: Upstream,
    mirror: Mirror,
    state: State,
    connect: Connect,
    tmp_path: Path,
) -> None:
    mirror = replace(mirror, source=replace(mirror.source, submodules=True))
    server.accounts["dora"] = SECRET
    connect(login="dora", password=SECRET)
    library = make_upstream("library")
    known = library.push({"words.py": "1"})
    with http_git(tmp_path) as elsewhere:
        upstream.embed("near", "../library.git", known)
        upstream.embed("far", elsewhere.url("library.git"), known)
        revision = upstream.push({"a.py": "1"})
        with credentials.access(mirror.source) as access, mirror.fetching():
            mirror.fetch(access.url, env=access.env)
            composition.compose(mirror, revision, access, state.trees("dags"))
        assert {"near/words.py", "far/words.py"} <= tree.entries(mirror.path, revision).keys()
        assert elsewhere.asked
        assert not [headers for _, headers in elsewhere.asked if "Authorization" in headers]
        elsewhere.accounts["dora"] = SECRET
        upstream.embed("far", elsewhere.url("library.git"), library.push({"words.py": "2"}))
        revision = upstream.push({"a.py": "2"})
        with credentials.access(mirror.source) as access, mirror.fetching():
            mirror.fetch(access.url, env=access.env)
            with pytest.raises(UpstreamError, match="source dags: submodule far") as caught:
                composition.compose(mirror, revision, access, state.trees("dags"))
        assert caught.value.reason == "AuthenticationFailed"
        assert not [headers for _, headers in elsewhere.asked if "Authorization" in headers]


class _Tokens(BaseHTTPRequestHandler):
    """Gives installation tokens as GitHub does, or a status."""

    def __init__(self, *args: object, given: list[str | int], asked: list[dict[str, str]]) -> None:
        self.given, self.asked = given, asked
        super().__init__(*args)  # type: ignore[arg-type]

    def do_POST(self) -> None:
        self.asked.append({"path": self.path, **dict(self.headers)})
        token = self.given.pop(0)
        ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = json.dumps({"token": token, "expires_at": ends} if isinstance(token, str) else {"message": "no"})
        self.send_response(201 if isinstance(token, str) else token)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_a_github_app_fetches_with_a_token_of_its_installation(
    server: HttpGit, upstream: Upstream, mirror: Mirror, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    given: list[str | int] = [SECRET, 401, 404]
    asked: list[dict[str, str]] = []
    revision = upstream.push({"a.py": "1"})
    server.accounts["x-access-token"] = SECRET
    extra = {"github_app_id": "7", "github_installation_id": "42", "private_key": key.decode()}
    connect(extra=extra)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Tokens, given=given, asked=asked)) as api:
        thread = Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        # The hook has no setting for the address of GitHub's API.
        local = functools.partial(github.GithubIntegration, base_url=f"http://127.0.0.1:{api.server_address[1]}")
        monkeypatch.setattr(github, "GithubIntegration", local)
        try:
            assert fetch(mirror) == revision
            error = why_not(mirror)
        finally:
            api.shutdown()
            thread.join()
    assert asked[0]["path"] == "/app/installations/42/access_tokens"
    assert asked[0]["Authorization"].startswith("Bearer ")
    assert error.reason == "AuthenticationFailed"
    assert "GitHub App" in error.message
    assert "PRIVATE KEY" not in str(error)


def test_what_is_published_does_not_move_when_the_server_fails_or_the_check_does(
    server: HttpGit, upstream: Upstream, mirror: Mirror, state: State, connect: Connect, source: Source
) -> None:
    def run() -> sync.Outcome:
        return sync.run(source, state, sync.Request(), Answers())

    server.accounts["dora"] = SECRET
    connect(login="dora", password=SECRET)
    good = "from airflow.sdk import dag\n\n\n@dag\ndef etl():\n    pass\n\n\netl()\n"
    live = upstream.push({"etl.py": good})
    assert (run().result, releases.live_revision(mirror)) == ("published", live)
    upstream.push({"etl.py": "from airflow.sdk import dag\n1 / 0\n"})
    assert (run().reason, releases.live_revision(mirror)) == ("ValidationFailed", live)
    mended = upstream.push({"etl.py": good + "# mended\n"})
    server.answers += [503]
    with pytest.raises(UpstreamError):
        run()
    assert (releases.live_revision(mirror), len(releases.history(mirror))) == (live, 1)
    assert (run().result, releases.live_revision(mirror)) == ("published", mended)
    upstream.git("reset", "--quiet", "--hard", live)
    upstream.git("push", "--quiet", "--force", "origin", "main")
    assert (run().result, releases.live_revision(mirror)) == ("published", live)
