"""A Docker engine for tests: on a Unix socket, with containers that do nothing, and a memory of what it was asked."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any


@dataclass
class FakeEngine:
    """What it was asked, as method, target and body; its images; its containers by id, as inspect tells them."""

    images: list[str] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    printed: bytes = b""
    started: threading.Event = field(default_factory=threading.Event)

    def add(self, number: str, *, name: str, labels: dict[str, str] | None = None, state: str = "running") -> str:
        """Add a container and return its id, 64 characters long."""
        identity = number * 64
        self.containers[identity] = {
            "Id": identity,
            "Name": f"/{name}",
            "Names": [f"/{name}"],
            "Created": int(time.time()),
            "State": state,
            "Labels": labels or {},
            "Config": {"Labels": labels or {}, "Tty": False},
        }
        return identity

    @property
    def changes(self) -> list[tuple[str, str]]:
        """What was asked beside questions."""
        return [(method, target) for method, target, _ in self.asked if method != "GET"]


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    engine: FakeEngine


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the standard library
        pass

    def _do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        engine = self.server.engine
        engine.asked.append((self.command, self.path, json.loads(body) if body else None))
        engine.heads.append(str(self.headers))
        path, _, query = re.sub(r"^/v1\.\d\d", "", self.path).partition("?")
        if path == "/containers/create":
            identity = engine.add("a", name=query.removeprefix("name="), labels=json.loads(body)["Labels"])
            self._say(201, {"Id": identity, "Warnings": []})
        elif path.count("/") > 1 and path not in {"/images/json", "/containers/json"}:
            self._of_container(path.split("/")[2], path.partition("/containers/")[2].partition("/")[2])
        else:
            answers = {
                "/version": {"ApiVersion": "1.41"},
                "/_ping": b"OK",
                "/images/json": [{"Id": image} for image in engine.images],
                "/containers/json": list(engine.containers.values()),
            }
            self._say(200, answers[path])

    def _of_container(self, identity: str, action: str) -> None:
        engine = self.server.engine
        if identity not in engine.containers:
            self._say(404, {"message": "no such container"})
        elif action == "attach":
            self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            engine.started.wait(timeout=10)
            for line in engine.printed.splitlines(keepends=True):
                self.wfile.write(b"\x01\0\0\0" + len(line).to_bytes(4, "big") + line)
            self.close_connection = True
        elif self.command == "DELETE":
            del engine.containers[identity]
            self._say(204, None)
        elif action == "json":
            self._say(200, engine.containers[identity])
        elif action == "wait":
            self._say(200, {"StatusCode": 0})
        else:
            engine.started.set()
            self._say(204, None)

    do_GET = do_POST = do_DELETE = _do  # noqa: N815 - the names that the standard library looks for

    def _say(self, status: int, document: Any) -> None:
        data = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True


def serve(engine: FakeEngine, socket: Path) -> _Server:
    """Serve the engine on a socket until ``shutdown`` is called on what is returned."""
    server = _Server(str(socket), _Handler)
    server.engine = engine
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
