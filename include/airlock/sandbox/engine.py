"""The proxy's own door to the Docker engine: calls over its Unix socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

_ANSWER_BYTES = 4 << 20
_TIMEOUT_S = 20.0
_API = "/v1.41"


class EngineError(Exception):
    """The engine does not answer, or not with what was asked for."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The Docker engine behind a Unix socket."""

    socket: str

    @asynccontextmanager
    async def call(
        self, method: str, target: str, body: bytes = b"", *, upgrade: bool = False
    ) -> AsyncIterator[asyncio.StreamReader]:
        """Make one call and give its answer, head included, as a stream that ends with it.

        Raises ``EngineError`` when the engine cannot be reached.
        """
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket)
        except OSError as error:
            raise EngineError(f"the Docker engine cannot be reached at {self.socket}: {error.strerror}") from error
        try:
            connection = "Connection: Upgrade\r\nUpgrade: tcp" if upgrade else "Connection: close"
            head = f"{method} {target} HTTP/1.1\r\nHost: docker\r\n{connection}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode("ascii") + body)
            await writer.drain()
            yield reader
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def inspect(self, container: str) -> Any:
        """Return what the engine tells about a container, ``None`` when there is none.

        Raises ``EngineError``.
        """
        return await self._json("GET", f"{_API}/containers/{container}/json")

    async def list(self, label: str, value: str) -> list[dict[str, Any]]:
        """Return the containers with a label, ended ones too.

        Raises ``EngineError``.
        """
        query = urlencode({"all": "1", "filters": json.dumps({"label": [f"{label}={value}"]})})
        found = await self._json("GET", f"{_API}/containers/json?{query}")
        return found if isinstance(found, list) else []

    async def remove(self, container: str) -> None:
        """Remove a container, also a running one; one that is gone is no error.

        Raises ``EngineError``.
        """
        await self._json("DELETE", f"{_API}/containers/{container}?force=1&v=1")

    async def _json(self, method: str, target: str) -> Any:
        try:
            async with asyncio.timeout(_TIMEOUT_S), self.call(method, target) as reader:
                data = bytearray()
                while piece := await reader.read(1 << 16):
                    data += piece
                    if len(data) > _ANSWER_BYTES:
                        raise EngineError(f"{method} {target}: the engine's answer is too long")
        except (TimeoutError, OSError) as error:
            raise EngineError(f"{method} {target}: the engine does not answer") from error
        status, body = _parse(bytes(data))
        if status == 404:
            return None
        if not 200 <= status < 300:
            raise EngineError(f"{method} {target}: the engine answered {status}")
        try:
            return json.loads(body) if body else None
        except ValueError as error:
            raise EngineError(f"{method} {target}: the engine's answer is not JSON") from error


def message(text: str) -> bytes:
    """Return a body that says something as the engine says its errors."""
    return json.dumps({"message": text}).encode()


def _parse(answer: bytes) -> tuple[int, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.decode("latin-1").split("\r\n")
    words = line.split(" ")
    if len(words) < 2 or not words[1].isdigit():
        raise EngineError("the engine does not speak HTTP")
    if any(header.lower().replace(" ", "") == "transfer-encoding:chunked" for header in headers):
        body = _unchunked(body)
    return int(words[1]), body


def _unchunked(data: bytes) -> bytes:
    whole = bytearray()
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size.partition(b";")[0] or b"0", 16)
        if length == 0:
            break
        whole += data[:length]
        data = data[length + 2 :]
    return bytes(whole)
