"""The proxy as a server: one request per connection, and nothing of it but what was understood reaches the engine."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.engine import FakeEngine
from tests.proxies import Door

from airlock.sandbox import proxy

LABELS = {"airlock.sandbox": "sandboxes"}


def test_a_sandbox_goes_through_its_life(door: Door, engine: FakeEngine, body: dict[str, Any]) -> None:
    assert door.ask("GET", "/version") == (200, {"ApiVersion": "1.41"})
    status, made = door.ask("POST", "/v1.41/containers/create", body)
    assert (status, set(made)) == (201, {"Id", "Warnings"})
    container = f"/v1.41/containers/{made['Id']}"
    assert door.ask("GET", f"{container}/json")[0] == 200
    assert door.ask("POST", f"{container}/start") == (204, None)
    assert door.ask("POST", f"{container}/wait") == (200, {"StatusCode": 0})
    assert door.ask("DELETE", f"{container}?v=False&link=False&force=True") == (204, None)
    assert engine.containers == {}


def test_what_a_sandbox_prints_is_handed_on_while_it_runs(door: Door, engine: FakeEngine) -> None:
    engine.printed = b"one\ntwo\n"
    engine.started.set()
    mine = engine.add("a", name="airlock-sandbox-1", labels=LABELS)
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as client:
        target = f"/v1.41/containers/{mine}/attach?logs=0&stdout=1&stderr=1&stream=1"
        client.sendall(f"POST {target} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
        answer = bytearray()
        while piece := client.recv(4096):
            answer += piece
    head, _, rest = bytes(answer).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert rest == b"\x01\0\0\0\0\0\0\x04one\n\x01\0\0\0\0\0\0\x04two\n"


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", "/json"), ("POST", "/start"), ("POST", "/stop"), ("POST", "/wait"), ("DELETE", "?force=True")],
)
@pytest.mark.parametrize("name", ["airlock-postgres-1", "airlock-sandbox-of-another-stack"])
def test_containers_of_others_cannot_be_touched(
    door: Door, engine: FakeEngine, method: str, action: str, name: str
) -> None:
    labels = {"airlock.sandbox": "other"} if "sandbox" in name else LABELS
    foreign = engine.add("b", name=name, labels=labels)
    status, answer = door.ask(method, f"/v1.41/containers/{foreign}{action}")
    assert (status, answer["message"]) == (
        403,
        f"refused by the sandbox proxy: {method}: container bbbbbbbbbbbb is not a sandbox of this deployment",
    )
    assert engine.changes == []


def test_a_container_that_does_not_exist_is_not_ours(door: Door) -> None:
    assert door.ask("GET", f"/v1.41/containers/{'c' * 64}/json")[0] == 403


def test_a_proxy_that_was_started_again_knows_its_containers(door: Door, engine: FakeEngine) -> None:
    mine = engine.add("a", name="airlock-sandbox-1", labels=LABELS)
    assert door.ask("POST", f"/v1.41/containers/{mine}/stop") == (204, None)


def test_nothing_of_a_clients_headers_reaches_the_engine(door: Door, engine: FakeEngine) -> None:
    door.send(b"GET /version HTTP/1.1\r\nX-Registry-Auth: secret\r\nHost: evil\r\nCookie: a\r\n\r\n")
    assert "secret" not in engine.heads[0]
    assert "evil" not in engine.heads[0]


def test_there_is_an_end_to_the_number_of_sandboxes(door: Door, engine: FakeEngine, body: dict[str, Any]) -> None:
    for number in range(8):
        engine.add(str(number), name=f"airlock-sandbox-{number}", labels=LABELS)
    status, answer = door.ask("POST", "/v1.41/containers/create", body)
    assert (status, "there are 8 sandboxes already" in answer["message"]) == (403, True)
    assert engine.changes == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /version HTTP/1.0\r\n\r\n",
        b"GET /version\r\n\r\n",
        b"get /version HTTP/1.1\r\n\r\n",
        b"HEAD /_ping HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"CONNECT postgres:5432 HTTP/1.1\r\n\r\n",
        b"GET  /version HTTP/1.1\r\n\r\n",
        b"GET /version HTTP/1.1\r\n Folded: x\r\n\r\n",
        b"GET /version HTTP/1.1\r\nA : x\r\n\r\n",
        b"GET /version HTTP/1.1\r\nA: x\nB: y\r\n\r\n",
        b"GET /version HTTP/1.1\r\nA: \0\r\n\r\n",
        b"GET /version HTTP/1.1\r\nA: \xff\r\n\r\n",
        b"GET /version HTTP/1.1\r\nContent-Length: 0\r\ncontent-length: 0\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /containers/create HTTP/1.1\r\ntransfer-encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /containers/create HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}",
        b"POST /containers/create HTTP/1.1\r\nContent-Length: 0x2\r\n\r\n{}",
        b"POST /containers/create HTTP/1.1\r\nContent-Length: 999999\r\n\r\n{}",
        b"POST /containers/create HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /version?" + b"a" * 3000 + b" HTTP/1.1\r\n\r\n",
        b"GET /version HTTP/1.1\r\n" + b"A: " + b"a" * 20000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_plain_http_is_refused(door: Door, engine: FakeEngine, request_bytes: bytes) -> None:
    status, answer = door.send(request_bytes)
    assert status == 403
    assert answer["message"].startswith("refused by the sandbox proxy: ")
    assert engine.asked == []


def test_a_second_request_behind_the_first_is_never_read(door: Door, engine: FakeEngine) -> None:
    foreign = engine.add("b", name="airlock-postgres-1")
    hidden = f"DELETE /v1.41/containers/{foreign}?force=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    assert door.send(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n" + hidden) == (200, {"ApiVersion": "1.41"})
    assert [target for _, target, _ in engine.asked] == ["/version"]


def test_a_longer_body_than_its_length_is_cut(door: Door, engine: FakeEngine, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    head = f"POST /v1.41/containers/create HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    assert door.send(head + data + b"POST /build HTTP/1.1\r\n\r\n")[0] == 201
    assert [target.partition("?")[0] for _, target in engine.changes] == ["/v1.41/containers/create"]


def test_a_client_that_says_nothing_is_let_go(door: Door, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_REQUEST_TIMEOUT_S", 0.1)
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as client:
        client.sendall(b"GET /version")
        assert client.recv(1) == b""
    assert engine.asked == []


def test_without_an_engine_it_says_so(door: Door, tmp_path: Path) -> None:
    (tmp_path / "engine.sock").unlink()
    status, answer = door.ask("GET", "/version")
    assert status == 502
    assert answer["message"].startswith("the Docker engine cannot be reached at ")
