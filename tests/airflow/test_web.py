"""The routes below ``/airlock`` on Airflow's own API server: its login, its cookie, its tokens, our plugin."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from airlock import project
from airlock.lockfile import artifact, publication
from airlock.lockfile.artifact import Artifact
from airlock.lockfile.manifest import Manifest
from airlock.state import State

pytestmark = pytest.mark.timeout(300)

PATHS = ["/airlock/", "/airlock/lock/", *(f"/airlock/lock/{name}" for name in artifact.NAMES)]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running API server whose deployment has published a lockfile, and the token of a viewer."""

    url: str
    token: str
    state: State

    def get(self, path: str, method: str = "GET", **arguments) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", timeout=60, trust_env=False, **arguments)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("airflow")
    state = State(root=home / "state")
    publication.publish(state, make=lambda _: _lockfile())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (home / "passwords.json").write_text('{"viewer": "viewer"}')
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))} | {
        "AIRFLOW_HOME": str(home),
        "AIRLOCK_STATE": str(state.root),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(project.ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "viewer:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of this test only, and long enough",
        "PYTHONPATH": str(project.ROOT / "include"),
    }
    airflow = [sys.executable, "-P", "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environ, check=True, capture_output=True, timeout=120)
    log = (home / "api-server.log").open("wb")
    process = subprocess.Popen(
        [*airflow, "api-server", "--host", "127.0.0.1", "--port", str(port)],
        env=environ,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        yield Server(url=url, token=_token(url, home / "api-server.log"), state=state)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _lockfile() -> Artifact:
    manifest = Manifest(environment="e", python="3.12.1", airflow="3.3.2", platform={}, distributions={})
    return artifact.assemble(manifest, {name: f"{name}\n".encode() for name in artifact.NAMES[:3]})


def _token(url: str, log: Path) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            answer = httpx.post(
                f"{url}/auth/token", json={"username": "viewer", "password": "viewer"}, timeout=30, trust_env=False
            )
        except httpx.HTTPError:
            time.sleep(0.5)
            continue
        assert answer.status_code == 201, answer.text
        return str(answer.json()["access_token"])
    raise AssertionError(log.read_text())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
def test_without_logging_in_there_is_nothing(server: Server, path: str, method: str) -> None:
    assert server.get(path, method).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_a_token_that_is_none_is_refused(server: Server, path: str) -> None:
    assert server.get(path, headers={"Authorization": "Bearer none"}).status_code == 403
    assert server.get(path, headers={"Cookie": "_token=none"}).status_code == 403


@pytest.mark.parametrize("path", PATHS)
def test_a_viewer_gets_it_by_token_and_by_the_browsers_cookie(server: Server, path: str) -> None:
    by_token = server.get(path, headers={"Authorization": f"Bearer {server.token}"})
    by_cookie = server.get(path, headers={"Cookie": f"_token={server.token}"})
    assert (by_token.status_code, by_cookie.status_code) == (200, 200)
    assert by_token.content == by_cookie.content


def test_the_downloads_are_the_published_lockfile_and_are_not_sent_twice(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    index = server.get("/airlock/lock/", headers=headers).json()
    for name in index["files"]:
        answer = server.get(f"/airlock/lock/{name}", headers=headers)
        assert artifact.sha256(answer.content) == index["files"][name]["sha256"]
        again = server.get(f"/airlock/lock/{name}", headers={**headers, "If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/airlock/docs", "/airlock/openapi.json", "/airlock/lock/other"])
def test_there_is_nothing_else(server: Server, path: str) -> None:
    assert server.get(path, headers={"Authorization": f"Bearer {server.token}"}).status_code == 404


def test_the_menu_has_an_entry_that_works_below_a_path_prefix() -> None:
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

    (plugin,) = _plugins()
    (view,) = plugin.external_views
    assert ExternalViewResponse(**view).href == "airlock/"
    assert view["url_route"] == "airlock"


def _plugins() -> list[type]:
    import importlib.util

    from airflow.plugins_manager import AirflowPlugin

    spec = importlib.util.spec_from_file_location("airlock_plugin", project.ROOT / "plugins" / "airlock_plugin.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [
        found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, AirflowPlugin) and found is not AirflowPlugin
    ]
