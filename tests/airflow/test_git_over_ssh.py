"""A source over SSH, from a real sshd, through Airflow's connection and the git provider's hook."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.git_servers import SshGit, commands_with, has_sshd, ssh_git
from tests.upstream import Upstream

from airlock import credentials, git, mirror as mirrors, release as releases, sync
from airlock.errors import CommandTimeout, UpstreamError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers

pytestmark = pytest.mark.skipif(not has_sshd(), reason="no sshd: install openssh-server")
Connect = Callable[..., None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshGit]:
    with ssh_git(tmp_path / "sshd") as served:
        yield served


@pytest.fixture
def source(server: SshGit, upstream: Upstream) -> Source:
    return Source(name="dags", repo_url=server.url(upstream.url), git_conn_id="git_dags")


@pytest.fixture
def connect(server: SshGit, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that makes the Airflow connection of the source, or changes it."""
    known_hosts = server.folder / "known_hosts"
    known_hosts.write_text(server.known_hosts())

    def make(**extra: object) -> None:
        fields = {"strict_host_key_checking": "yes", "known_hosts_file": str(known_hosts), **extra}
        monkeypatch.setenv("AIRFLOW_CONN_GIT_DAGS", json.dumps({"conn_type": "git", "extra": fields}))

    return make


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
    assert "source dags" in caught.value.message
    return caught.value


def test_the_right_key_is_let_in_and_is_gone_from_disk_afterwards(
    server: SshGit, upstream: Upstream, mirror: Mirror, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server.admit("dora")
    secret = server.key("dora").read_text()
    connect(private_key=secret)
    revision = upstream.push({"a.py": "1"})
    with credentials.access(mirror.source) as access, mirror.fetching():
        mirror.fetch(access.url, env=access.env)
        key = Path(access.env["GIT_SSH_COMMAND"].split(" -i ")[1].split()[0])
        assert key.stat().st_mode & 0o77 == 0
    assert mirror.upstream_revision() == revision
    assert not key.exists()
    middle = secret.splitlines()[1]
    assert middle not in caplog.text
    assert not any(middle.encode() in place.read_bytes() for place in mirror.path.rglob("*") if place.is_file())


def test_a_key_file_and_a_key_with_a_passphrase_are_let_in(
    server: SshGit, upstream: Upstream, mirror: Mirror, connect: Connect
) -> None:
    server.admit("dora")
    connect(key_file=str(server.key("dora")))
    first = upstream.push({"a.py": "1"})
    assert fetch(mirror) == first
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "pass phrase", "-f", str(server.key("dora"))]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    second = upstream.push({"a.py": "2"})
    assert why_not(mirror).reason == "AuthenticationFailed"
    connect(key_file=str(server.key("dora")), private_key_passphrase="pass phrase")
    assert fetch(mirror) == second


def test_a_wrong_key_is_refused(server: SshGit, upstream: Upstream, mirror: Mirror, connect: Connect) -> None:
    server.admit("dora")
    upstream.push({"a.py": "1"})
    connect(private_key=server.key("mallory").read_text())
    assert why_not(mirror).reason == "AuthenticationFailed"


def test_a_key_that_was_rotated_is_taken_from_the_connection_at_the_next_sync(
    server: SshGit, upstream: Upstream, mirror: Mirror, connect: Connect
) -> None:
    server.admit("old")
    connect(private_key=server.key("old").read_text())
    first = upstream.push({"a.py": "1"})
    assert fetch(mirror) == first
    server.admit("new")
    second = upstream.push({"a.py": "2"})
    assert why_not(mirror).reason == "AuthenticationFailed"
    assert mirror.upstream_revision() == first
    connect(private_key=server.key("new").read_text())
    assert fetch(mirror) == second


def test_a_host_whose_key_is_not_known_is_refused(
    server: SshGit, upstream: Upstream, mirror: Mirror, connect: Connect
) -> None:
    server.admit("dora")
    upstream.push({"a.py": "1"})
    (server.folder / "known_hosts").write_text("")
    connect(private_key=server.key("dora").read_text())
    error = why_not(mirror)
    assert error.reason == "HostKeyRefused"
    assert "known_hosts_file" in error.hint
    assert (server.folder / "known_hosts").read_text() == ""


@pytest.mark.parametrize("checking", ["yes", "accept-new"])
def test_a_host_whose_key_was_changed_is_refused_until_somebody_replaces_it(
    checking: str, server: SshGit, upstream: Upstream, mirror: Mirror, connect: Connect
) -> None:
    server.admit("dora")
    connect(private_key=server.key("dora").read_text(), strict_host_key_checking=checking)
    first = upstream.push({"a.py": "1"})
    assert fetch(mirror) == first
    server.renew_host_key()
    second = upstream.push({"a.py": "2"})
    error = why_not(mirror)
    assert error.reason == "HostKeyChanged"
    assert "somebody is in between" in error.hint
    (server.folder / "known_hosts").write_text(server.known_hosts())
    assert fetch(mirror) == second


def test_a_server_that_is_gone_is_asked_again(
    server: SshGit, upstream: Upstream, mirror: Mirror, connect: Connect
) -> None:
    server.admit("dora")
    connect(private_key=server.key("dora").read_text())
    revision = upstream.push({"a.py": "1"})
    server.stop()
    assert why_not(mirror).reason == "HostUnreachable"
    server.start()
    assert fetch(mirror) == revision


def test_a_server_that_hangs_is_given_up_and_named(
    server: SshGit, upstream: Upstream, mirror: Mirror, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.admit("dora")
    connect(private_key=server.key("dora").read_text())
    revision = upstream.push({"a.py": "1"})
    assert server.server is not None
    monkeypatch.setattr(git, "UPSTREAM_TIMEOUT_S", 2)
    server.server.send_signal(signal.SIGSTOP)  # the kernel still takes connections
    try:
        with pytest.raises(CommandTimeout, match="source dags: fetch") as caught:
            fetch(mirror)
        assert (caught.value.reason, bool(caught.value.hint)) == ("TimedOut", True)
        assert [line for line in commands_with(str(server.port)) if b"sshd" not in line] == []
    finally:
        server.server.send_signal(signal.SIGCONT)
    monkeypatch.undo()
    connect(private_key=server.key("dora").read_text())
    assert fetch(mirror) == revision


def test_a_repository_that_is_not_there_is_named(server: SshGit, state: State, connect: Connect) -> None:
    server.admit("dora")
    connect(private_key=server.key("dora").read_text())
    wrong = Source(name="dags", repo_url=server.url("/nowhere/dags.git"), git_conn_id="git_dags")
    assert why_not(mirrors.of(state, wrong)).reason == "RepositoryMissing"


def test_what_is_published_does_not_move_when_the_key_is_refused_or_the_check_fails(
    server: SshGit, upstream: Upstream, mirror: Mirror, state: State, source: Source, connect: Connect
) -> None:
    def run() -> sync.Outcome:
        return sync.run(source, state, sync.Request(), Answers())

    server.admit("dora")
    connect(private_key=server.key("dora").read_text())
    good = "from airflow.sdk import dag\n\n\n@dag\ndef etl():\n    pass\n\n\netl()\n"
    live = upstream.push({"etl.py": good})
    assert (run().result, releases.live_revision(mirror)) == ("published", live)
    upstream.push({"etl.py": "from airflow.sdk import dag\n1 / 0\n"})
    assert (run().reason, releases.live_revision(mirror)) == ("ValidationFailed", live)
    mended = upstream.push({"etl.py": good + "# mended\n"})
    server.admit()
    with pytest.raises(UpstreamError):
        run()
    last = mirror.read_record(sync.RECORD)
    assert last
    assert (last["reason"], releases.live_revision(mirror)) == ("AuthenticationFailed", live)
    server.admit("dora")
    assert (run().result, releases.live_revision(mirror)) == ("published", mended)
