"""Commit statuses reach real servers as the forges' documentation has it, and a forge that fails harms no sync."""

from __future__ import annotations

import functools
import http.server
import json
import logging
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.upstream import Upstream
from tests.verdicts import dag, verdict

from airlock import confirm, enquiry, mirror as mirrors, release as releases, sync_task
from airlock.enquiry import Answer, ImportFault, Stored
from airlock.errors import OperatorError
from airlock.forge import delivery
from airlock.forge.status import Status
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes

TOKEN = "s3cret-token"
LINK = "http://127.0.0.1:8080/dags/airlock_sync_dags/runs/r/tasks/sync"
STATUS = Status(revision="a" * 40, state="failure", description="Rejected", context="airlock/dags", url=LINK)


@dataclass
class Forge:
    """A server on this machine: git repositories over HTTP, and what was posted; ``answers`` are given in turn."""

    root: Path
    port: int = 0
    posted: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    drips: bool = False
    on_post: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """The repository that is followed."""
        return f"http://127.0.0.1:{self.port}/team/dags.git"

    @property
    def states(self) -> list[tuple[str, str]]:
        """The states and descriptions that were posted."""
        return [(body["state"], body["description"]) for _, _, body in self.posted]


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files to git, and takes statuses."""

    def __init__(self, *args: Any, forge: Forge, **kwargs: Any) -> None:
        self.forge = forge
        super().__init__(*args, directory=str(forge.root), **kwargs)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.forge.posted.append((self.path, dict(self.headers), body))
        self.forge.on_post()
        if self.forge.drips:
            for _ in range(40):
                threading.Event().wait(0.1)
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return
            return
        code, text = self.forge.answers.pop(0) if self.forge.answers else (201, b"{}")
        self.send_response(code)
        if code == 302:
            self.send_header("Location", f"http://localhost:{self.forge.port}/elsewhere")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    connection = {"conn_type": "git", "login": "dora", "password": TOKEN}
    monkeypatch.setenv("AIRFLOW_CONN_GIT_DAGS", json.dumps(connection))
    (tmp_path / "www" / "team").mkdir(parents=True)
    served = Forge(root=tmp_path / "www")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, forge=served)) as server:
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def of(forge: Forge, kind: str = "github", **values: Any) -> Mirror:
    state = State(root=forge.root.parent / "state")
    source = Source(**{"name": "dags", "repo_url": forge.url, "git_conn_id": "git_dags", "forge": kind, **values})
    return mirrors.of(state, source)


@pytest.mark.parametrize(
    ("kind", "path", "headers", "body"),
    [
        (
            "github",
            f"/api/v3/repos/team/dags/statuses/{STATUS.revision}",
            {"Authorization": f"Bearer {TOKEN}", "Accept": "application/vnd.github+json"},
            {"state": "failure", "context": "airlock/dags"},
        ),
        (
            "gitea",
            f"/api/v1/repos/team/dags/statuses/{STATUS.revision}",
            {"Authorization": f"token {TOKEN}"},
            {"state": "failure", "context": "airlock/dags"},
        ),
        (
            "gitlab",
            f"/api/v4/projects/team%2Fdags/statuses/{STATUS.revision}",
            {"PRIVATE-TOKEN": TOKEN},
            {"state": "failed", "name": "airlock/dags"},
        ),
    ],
)
def test_each_forge_is_told_in_its_own_way(
    forge: Forge, kind: str, path: str, headers: dict[str, str], body: dict[str, str]
) -> None:
    assert delivery.tell(of(forge, kind), STATUS)
    ((asked, sent, document),) = forge.posted
    assert asked == path
    lowered = {name.lower(): value for name, value in sent.items()}
    assert {name: lowered[name.lower()] for name in headers} == headers
    assert lowered["content-type"] == "application/json"
    assert document == {**body, "description": "Rejected", "target_url": LINK}


def test_the_same_status_is_not_sent_twice(forge: Forge) -> None:
    mirror = of(forge)
    other = Status(revision="b" * 40, state="success", description="Live", context="airlock/dags")
    assert [delivery.tell(mirror, one) for one in (STATUS, STATUS, other, STATUS, other)] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert len(forge.posted) == 2


def test_a_source_without_a_forge_tells_nobody(forge: Forge) -> None:
    assert not delivery.tell(of(forge, ""), STATUS)
    assert forge.posted == []


@pytest.mark.parametrize("code", [302, 401, 404, 422, 500])
def test_a_forge_that_refuses_is_one_warning_and_is_asked_again(
    forge: Forge, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    mirror = of(forge)
    forge.answers.append((code, TOKEN.encode()))
    assert not delivery.tell(mirror, STATUS)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"127.0.0.1 answered {code} to a commit status" in record.getMessage()
    assert TOKEN not in caplog.text
    assert delivery.tell(mirror, STATUS)
    assert [path for path, _, _ in forge.posted] == [f"/api/v3/repos/team/dags/statuses/{STATUS.revision}"] * 2


def test_gitlab_says_that_it_has_the_state_already(forge: Forge) -> None:
    forge.answers.append((400, b'{"message":"Cannot transition status via :enqueue from :pending"}'))
    assert delivery.tell(of(forge, "gitlab"), STATUS)


def test_a_forge_that_is_down_is_one_warning(forge: Forge, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert not delivery.tell(of(forge, repo_url=f"http://127.0.0.1:{port}/team/dags.git"), STATUS)
    assert "127.0.0.1 does not answer: ConnectError" in caplog.text
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_a_forge_that_never_comes_to_an_end_is_left_alone(
    forge: Forge, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LIMIT_S", 0.5)
    forge.drips = True
    assert not delivery.tell(of(forge), STATUS)
    assert "127.0.0.1 takes more than 0.5 s" in caplog.text


@pytest.mark.parametrize(
    ("password", "told"),
    [("", "connection 'git_dags' has no token"), (f"{TOKEN}\nX: y", "LocalProtocolError"), (f"{TOKEN}ü", "Error")],
)
def test_a_token_that_cannot_be_sent_is_not_printed(
    forge: Forge,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    told: str,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GIT_DAGS", json.dumps({"conn_type": "git", "password": password}))
    assert not delivery.tell(of(forge), STATUS)
    assert told in caplog.text
    assert TOKEN not in caplog.text
    assert forge.posted == []


def test_a_push_is_pending_then_live_and_a_broken_one_fails(
    forge: Forge, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    (forge.root / "team" / "dags.git").symlink_to(upstream.url)
    kwargs = {"repo_url": forge.url, "git_conn_id": "git_dags", "forge": "gitea"}
    bundles = [{"name": "dags", "classpath": "airlock.bundle.AirlockDagBundle", "kwargs": kwargs}]
    environ = {
        "AIRLOCK_STATE": str(forge.root.parent / "state"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
    }
    context = {
        "params": {"ref": "", "force": False, "dry_run": False, "reason": ""},
        "dag_run": SimpleNamespace(triggering_user_name="dora"),
        "ti": SimpleNamespace(log_url=LINK),
    }

    def push(text: str) -> str:
        revision = upstream.push({"etl.py": text})
        subprocess.run(["git", "-C", upstream.url, "update-server-info"], check=True, timeout=60)
        return revision

    good = push("from airflow.sdk import DAG\nDAG('etl', schedule=None)\n")
    outcome = sync_task.run("dags", context, environ)
    assert forge.states == [("pending", "Passed with no findings, on its way into Airflow")]
    mirror = of(forge, "gitea")
    (release,) = releases.history(mirror)
    with mirror.locked():
        mirror.write_record(confirm.RECORD, {"release": release.number})
    for _ in range(2):
        sync_task.confirm(outcome.to_json(), context, environ)
    assert forge.states[1:] == [("success", "Live as release 1")]
    bad = push("from airflow.sdk import DAG\nno\n")
    for _ in range(2):
        sync_task.run("dags", {**context, "params": {**context["params"], "force": True}}, environ)
    ((state, description),) = forge.states[2:]
    assert state == "failure"
    assert description.startswith("Rejected, 1 finding: etl.py:2: ")
    paths = [path.rpartition("/")[2] for path, _, _ in forge.posted]
    assert paths == [good, good, bad]
    assert {body["target_url"] for _, _, body in forge.posted} == {LINK}
    push("from airflow.sdk import DAG\nDAG('etl', schedule=None)\n# again\n")
    forge.answers.append((500, b""))
    passed = sync_task.run("dags", context, environ)
    assert passed.result == "published"
    push("from airflow.sdk import DAG\nDAG('etl', schedule=None)\n# and again\n")
    assert sync_task.run("dags", context, environ).result == "published"
    sync_task.confirm(passed.to_json(), context, environ)
    path, _, _ = forge.posted[-1]
    assert path.endswith(str(passed.revision))
    assert forge.states[-1] == ("success", "Passed; release 2 was followed by another at once")


def test_a_release_is_withdrawn_before_the_forge_is_told(
    forge: Forge, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = of(forge, "gitea")
    kwargs = {"repo_url": forge.url, "git_conn_id": "git_dags", "forge": "gitea"}
    bundles = [{"name": "dags", "classpath": "airlock.bundle.AirlockDagBundle", "kwargs": kwargs}]
    state = State(root=forge.root.parent / "state")
    environ = {
        "AIRLOCK_STATE": str(state.root),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
    }
    live: str | None = None
    for digest in ("old", "new"):
        revision = upstream.push({"etl.py": digest})
        judged = verdict(revision, dags=(dag("etl", digest=digest),), inputs={"etl.py": ()})
        with mirror.alone():
            mirror.fetch(upstream.url, env={})
            mirror.write_verdict(judged)
            releases.publish(mirror, judged, expected=live, who="dora", why="", changes=Changes())
        before, live = live, revision
    seen: list[str | None] = []
    forge.on_post = lambda: seen.append(releases.live_revision(mirror))
    ended = threading.Event()

    def processor() -> None:
        """A DAG processor that cannot import the new revision, and can the old one."""
        turn = 0
        while not ended.wait(0.02):
            if question := enquiry.asked(state.enquiry("dags")):
                turn += 1
                at = f"2099-01-01T00:00:{turn % 60:02d}+00:00"
                fault = ImportFault(at=str(question.parse.get("etl.py", 0)), text="KeyError: 'X'")
                bad = question.revision == live
                stored = {} if bad else {"etl": Stored(version=question.revision, parsed_at=at, digest="old")}
                errors = {"etl.py": fault} if bad else {}
                told = Answer(revision=question.revision, at=at, dags=stored, errors=errors)
                enquiry.answer(state.enquiry("dags"), told)

    thread = threading.Thread(target=processor)
    thread.start()
    document = {"source": "dags", "revision": live, "release": 2, "awaited": ["etl"], "message": ""}
    try:
        with pytest.raises(OperatorError, match="worse in Airflow"):
            sync_task.confirm(document, {"ti": SimpleNamespace(log_url=LINK)}, environ)
    finally:
        ended.set()
        thread.join()
    assert forge.states == [("failure", "Passed, but Airflow cannot import it: see the log of the run")]
    assert seen == [before]
