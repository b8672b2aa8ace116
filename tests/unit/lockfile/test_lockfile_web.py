"""The downloads and the page, for logged-in users only. (With Airflow's own login: ``tests/airflow/test_web.py``.)"""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from airlock.errors import ConfigError
from airlock.lockfile import artifact, publication
from airlock.lockfile.manifest import Problem
from airlock.state import State
from airlock.web import app

USER = {"Authorization": "Bearer good"}
PATHS = ["/airlock/", "/airlock/lock/", *(f"/airlock/lock/{name}" for name in artifact.NAMES), "/airlock/lock/other"]


def authenticated(request: Request):
    if request.headers.get("Authorization") != "Bearer good":
        raise HTTPException(401, "Not authenticated")


@pytest.fixture
def state(tmp_path):
    return State(root=tmp_path / "state")


@pytest.fixture
def client(state):
    parent = FastAPI()
    parent.mount("/airlock", app.create(state=lambda: state, authenticated=authenticated))
    return TestClient(parent, headers=USER, follow_redirects=False)


@pytest.fixture
def lockfile(wheelhouse, make_lockfile):
    return make_lockfile(wheelhouse.add("one"))


@pytest.fixture
def published(state, lockfile):
    publication.publish(state, make=lambda _: lockfile)
    return lockfile


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
def test_nobody_gets_anything_without_logging_in(client, published, method, path):
    answer = client.request(method, path, headers={"Authorization": ""})
    assert answer.status_code == 401


def test_no_route_is_without_authentication(state):
    routes = app.create(state=lambda: state, authenticated=authenticated).routes
    found = [route for included in routes for route in getattr(included, "routes", [included])]
    assert found
    for route in found:
        assert isinstance(route, APIRoute)
        assert authenticated in [dependency.call for dependency in route.dependant.dependencies]


@pytest.mark.parametrize("path", ["/airlock/docs", "/airlock/redoc", "/airlock/openapi.json"])
def test_there_is_no_documentation_of_the_routes(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("pylock.toml", "application/toml"),
        ("requirements.txt", "text/plain; charset=utf-8"),
        ("constraints.txt", "text/plain; charset=utf-8"),
        ("manifest.json", "application/json"),
    ],
)
def test_a_file_is_a_download_of_exactly_its_bytes(client, published, name, media_type):
    answer = client.get(f"/airlock/lock/{name}")
    assert (answer.status_code, answer.content) == (200, published.files[name])
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["ETag"] == f'"{artifact.sha256(published.files[name])}"'


def test_head_is_get_without_the_body(client, published):
    get, head = client.get("/airlock/lock/pylock.toml"), client.head("/airlock/lock/pylock.toml")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_file_that_is_known_is_not_sent_again(client, published, form):
    etag = client.get("/airlock/lock/pylock.toml").headers["ETag"]
    answer = client.get("/airlock/lock/pylock.toml", headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)


def test_a_file_that_changed_is_sent(client, published, state, wheelhouse, make_lockfile):
    etag = client.get("/airlock/lock/pylock.toml").headers["ETag"]
    after = make_lockfile(wheelhouse.add("one", "1.1"))
    publication.publish(state, make=lambda _: after)
    answer = client.get("/airlock/lock/pylock.toml", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (200, after.files["pylock.toml"])


def test_the_index_names_the_files(client, published):
    told = client.get("/airlock/lock/").json()
    assert {name: entry["sha256"] for name, entry in told["files"].items()} == {
        name: artifact.sha256(data) for name, data in published.files.items()
    }
    assert (told["complete"], told["python"]) == (True, published.manifest.python)


@pytest.mark.parametrize("path", ["/airlock/lock/", "/airlock/lock/pylock.toml"])
def test_before_the_first_publication_it_says_what_to_do(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["detail"]["reason"]) == (404, "NotPublished")
    assert "airlock_lockfile" in answer.json()["detail"]["hint"]


def test_a_file_that_could_not_be_made_says_why(client, state, make_lockfile):
    problem = Problem(reason="IndexUnreachable", message="no package index answered", hint="reach one")
    publication.publish(state, make=lambda _: make_lockfile(problem=problem))
    assert client.get("/airlock/lock/constraints.txt").status_code == 200
    answer = client.get("/airlock/lock/pylock.toml")
    assert answer.status_code == 404
    assert answer.json()["detail"] == {
        "reason": "IndexUnreachable",
        "message": "pylock.toml could not be made: no package index answered",
        "hint": "reach one",
    }


@pytest.mark.parametrize("name", ["other", "..%2f..%2fHEAD", "manifest.json%00", "-v"])
def test_nothing_but_the_four_files_is_served(client, published, name):
    answer = client.get(f"/airlock/lock/{name}")
    assert answer.status_code == 404


def test_a_deployment_without_a_state_directory_says_so():
    def nothing():
        raise ConfigError("AIRLOCK_STATE is not set", hint="set it")

    answer = TestClient(app.create(state=nothing, authenticated=lambda: None)).get("/lock/")
    assert answer.status_code == 503
    assert answer.json()["detail"]["message"] == "AIRLOCK_STATE is not set"


class Page(HTMLParser):
    """What a page links to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action")]


def test_the_page_links_to_the_downloads_relatively_and_loads_nothing(client, published):
    answer = client.get("/airlock/")
    page = Page(answer.text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.links == [f"lock/{name}" for name in artifact.NAMES]
    assert not page.tags & {"script", "img", "link", "iframe", "base", "form"}
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_page_has_the_versions_and_commands_that_work_below_a_path_prefix(state, published):
    parent = FastAPI(root_path="/prefix")
    parent.mount("/airlock", app.create(state=lambda: state, authenticated=lambda: None))
    text = TestClient(parent, base_url="https://flow.example").get("/prefix/airlock/").text
    assert f"Python {published.manifest.python}, Airflow 3.3.2, 1 packages" in text
    assert "airlock venv .venv --from https://flow.example/prefix --user" in text


def test_the_page_escapes_what_it_shows(client, state, make_lockfile):
    problem = Problem(reason="<b>", message="<script>alert(1)</script>", hint='"&')
    publication.publish(state, make=lambda _: make_lockfile(problem=problem, airflow="<i>"))
    text = client.get("/airlock/", headers={"Host": "x<script>y"}).text
    assert not re.search(r"<(script|b|i)>", text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_page_is_there_before_the_first_publication(client):
    answer = client.get("/airlock/")
    assert answer.status_code == 200
    assert "No lockfile is published yet" in answer.text
