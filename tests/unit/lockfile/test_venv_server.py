"""Getting the lockfile from a deployment: who is asked, what is trusted, and what each refusal is called."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from airlock.cli import main
from airlock.embedded import deployment as deployments, layout
from airlock.errors import AirlockError, OperatorError, StateError, TransientError, UsageError
from airlock.lockfile import publication
from airlock.state import State
from airlock.venv import server
from airlock.venv.server import Credentials
from airlock.web import app

ADMIN = Credentials(user="admin", password="right")


@dataclass
class Deployment:
    """A web server like a deployment's, on this machine: its address, its state, and who asked for what."""

    url: str
    state: State
    replaced: dict[str, Response] = field(default_factory=dict)
    seen: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def deployment(tmp_path) -> Iterator[Deployment]:
    state = State(root=tmp_path / "state")
    parent = FastAPI()
    running = Deployment(url="", state=state)

    def authenticated(request: Request):
        if request.headers.get("Authorization") != "Bearer the-token":
            raise HTTPException(401, "Not authenticated")

    @parent.middleware("http")
    async def watch(request: Request, call_next):
        running.seen.append((request.url.path, request.headers.get("Authorization")))
        return running.replaced.get(request.url.path) or await call_next(request)

    @parent.post("/auth/token", status_code=201)
    def token(body: dict[str, str] = Body()):  # noqa: B008
        if body != {"username": "admin", "password": "right"}:
            raise HTTPException(401, "Invalid credentials")
        return {"access_token": "the-token"}

    parent.mount("/airlock", app.create(state=lambda: state, authenticated=authenticated))
    web = uvicorn.Server(uvicorn.Config(parent, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    socket = web.config.bind_socket()
    thread = threading.Thread(target=web.run, kwargs={"sockets": [socket]})
    thread.start()
    running.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
    yield running
    web.should_exit = True
    thread.join()
    socket.close()


@pytest.fixture
def published(deployment, wheelhouse, make_lockfile):
    lockfile = make_lockfile(wheelhouse.add("one"))
    publication.publish(deployment.state, make=lambda _: lockfile)
    return lockfile


@pytest.mark.parametrize("credentials", [ADMIN, Credentials(token="the-token")])
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_published_lockfile_arrives(deployment, published, credentials, slash):
    assert server.download(deployment.url + slash, credentials) == published


def test_a_wrong_password_is_refused_by_name(deployment, published):
    with pytest.raises(OperatorError, match="does not accept the password of 'admin'") as raised:
        server.download(deployment.url, Credentials(user="admin", password="wrong-one"))
    assert raised.value.reason == "AuthenticationFailed"
    assert "wrong-one" not in str(raised.value)


def test_a_token_that_is_too_old_is_refused_by_name(deployment, published):
    with pytest.raises(OperatorError, match=r"manifest\.json: Not authenticated") as raised:
        server.download(deployment.url, Credentials(token="old-token"))
    assert raised.value.reason == "AuthenticationFailed"
    assert "old-token" not in str(raised.value)


def test_the_servers_own_reason_and_hint_are_passed_on(deployment):
    with pytest.raises(OperatorError, match=r"no lockfile is published yet\nhint: it takes a minute") as raised:
        server.download(deployment.url, ADMIN)
    assert raised.value.reason == "NotPublished"


@pytest.mark.parametrize("path", ["/auth/token", "/airlock/lock/manifest.json"])
def test_a_redirect_is_not_followed(deployment, published, path):
    deployment.replaced[path] = RedirectResponse(f"{deployment.url}/elsewhere", status_code=307)
    with pytest.raises(OperatorError, match="/elsewhere, which is not followed") as raised:
        server.download(deployment.url, ADMIN)
    assert raised.value.reason == "Redirected"
    assert "/elsewhere" not in [path for path, _ in deployment.seen]


@pytest.mark.parametrize(
    "url",
    [
        "http://flow.example",
        "http://10.0.0.1:8080",
        "http://127.0.0.1.flow.example",
        "ftp://127.0.0.1",
        "file:///etc",
        "https://me:secret@flow.example",
        "https://flow.example?token=secret",
        "http://[::1",
    ],
)
def test_an_address_that_cannot_be_trusted_is_not_asked(url):
    with pytest.raises(UsageError) as raised:
        server.download(url, Credentials(token="the-token"))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"])
def test_a_server_that_is_not_there_says_so(url):
    with pytest.raises(TransientError, match="does not answer") as raised:
        server.download(url, Credentials(token="the-token"))
    assert raised.value.reason == "HostUnreachable"


def test_this_machine_is_not_asked_through_a_proxy(deployment, published, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert server.download(deployment.url, ADMIN) == published


def test_a_damaged_download_is_refused(deployment, published):
    deployment.replaced["/airlock/lock/requirements.txt"] = Response(b"evil==1.0")
    with pytest.raises(StateError, match=r"requirements\.txt is damaged"):
        server.download(deployment.url, ADMIN)


def test_a_publication_between_two_downloads_is_no_error(deployment, published, wheelhouse, make_lockfile):
    newer = make_lockfile(wheelhouse.add("one", "1.1"))
    stale = Response(published.files["manifest.json"])

    class Once(dict):
        def get(self, path):
            return self.pop(path, None)

    publication.publish(deployment.state, make=lambda _: newer)
    deployment.replaced = Once({"/airlock/lock/manifest.json": stale})
    assert server.download(deployment.url, ADMIN) == newer


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>"])
def test_a_server_that_is_no_airflow_says_so(deployment, body):
    deployment.replaced["/auth/token"] = Response(body, status_code=201)
    with pytest.raises(OperatorError, match="answered 201, and no token") as raised:
        server.download(deployment.url, ADMIN)
    assert "is this the address of an Airflow web server" in raised.value.hint


def test_an_endless_answer_is_cut_off(deployment, monkeypatch):
    monkeypatch.setattr(server, "_LARGEST_BYTES", 1000)
    deployment.replaced["/airlock/lock/manifest.json"] = Response(b"x" * 2000)
    with pytest.raises(AirlockError, match="larger than any lockfile"):
        server.download(deployment.url, ADMIN)


@pytest.fixture
def venv(deployment, published, tmp_path, wheelhouse, monkeypatch):
    monkeypatch.setenv("UV_FIND_LINKS", str(wheelhouse.root))
    monkeypatch.setenv("UV_NO_INDEX", "1")

    def run(*arguments):
        return main(["venv", str(tmp_path / "venv"), "--from", deployment.url, "--state", str(tmp_path), *arguments])

    return run


def test_the_command_takes_a_password_from_a_file(venv, tmp_path):
    (tmp_path / "password").write_text("right\n")
    assert venv("--user", "admin", "--password-file", str(tmp_path / "password")) == 0


@pytest.mark.parametrize(("name", "value"), [("AIRLOCK_TOKEN", "the-token"), ("AIRLOCK_PASSWORD", "right")])
def test_the_command_takes_its_credentials_from_the_environment(venv, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert venv() == 0


@pytest.fixture
def own(tmp_path):
    """The password file of an embedded deployment, which is on another port."""
    place = layout.of(State(root=tmp_path))
    place.password.parent.mkdir()
    place.password.write_text("right\n")
    deployments.write(place, deployments.Deployment(port=1))
    return place


def test_the_command_takes_a_password_file_from_the_environment(venv, own, monkeypatch):
    monkeypatch.setenv("AIRLOCK_PASSWORD_FILE", str(own.password))
    assert venv() == 0
    monkeypatch.setenv("AIRLOCK_USER", "somebody")
    assert venv() == 2


def test_the_command_takes_the_password_of_a_local_deployment(venv, own, deployment):
    deployments.write(own, deployments.Deployment(port=int(deployment.url.rpartition(":")[2])))
    assert venv() == 0


def test_the_command_without_credentials_says_which_there_are(venv, capsys):
    assert venv() == 2
    assert "hint: give --user and --password-file, or set AIRLOCK_TOKEN" in capsys.readouterr().err


def test_the_password_of_a_local_deployment_goes_to_that_deployment_only(venv, own, tmp_path, capsys):
    assert venv() == 2
    assert main(["venv", str(tmp_path / "v"), "--from", "https://flow.example", "--state", str(tmp_path)]) == 2
    assert "to logged-in users only" in capsys.readouterr().err
