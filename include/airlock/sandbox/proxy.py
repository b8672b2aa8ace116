"""The only process that can reach the Docker engine: lets tasks run sandboxes, and nothing else.

Run as ``python -P -m airlock.sandbox.proxy``; it needs nothing but the standard library and the engine's socket. A
connection carries one request and is closed after its answer, so that no request can hide behind another. What is let
through is decided by ``airlock.sandbox.policy``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from airlock.sandbox import engine as engines, policy, reaper
from airlock.sandbox.engine import Engine, EngineError
from airlock.sandbox.policy import Refused
from airlock.sandbox.settings import Settings, load

log = logging.getLogger("airlock.sandbox.proxy")

_PORT = 2375
_SOCKET = "/var/run/docker.sock"
_HEAD_BYTES = 16 << 10
_BODY_BYTES = 64 << 10
_REQUEST_TIMEOUT_S = 10.0
_CLIENTS = 64
_SANDBOXES = 8
_REQUEST_LINE = re.compile(r"(GET|POST|DELETE) (/[!-~]{0,2000}) HTTP/1\.1", re.ASCII)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([ -~\t]{0,4000})", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """The proxy of one deployment."""

    settings: Settings
    engine: Engine
    clients: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CLIENTS))
    creating: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection, and close it."""
        async with self.clients:
            try:
                await self._answer(reader, writer)
            except Refused as refusal:
                log.warning("refused: %s", refusal)
                _say(writer, HTTPStatus.FORBIDDEN, f"refused by the sandbox proxy: {refusal}")
            except EngineError as error:
                log.warning("%s", error)
                _say(writer, HTTPStatus.BAD_GATEWAY, str(error))
            except (OSError, EOFError, TimeoutError):
                pass  # the client or the engine is gone: there is nobody to tell
            finally:
                with suppress(OSError):
                    await writer.drain()
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_REQUEST_TIMEOUT_S):
            method, target, body = await _read_request(reader)
        name = f"{policy.NAME_PREFIX}{secrets.token_hex(8)}"
        call = policy.decide(self.settings, method, target, body, name=name)
        if call.container and not policy.is_ours(self.settings, await self.engine.inspect(call.container)):
            raise Refused(f"{call.method}: container {call.container[:12]} is not a sandbox of this deployment")
        if call.creates:
            log.info("creating %s", name)
            async with self.creating:
                if len(await self.engine.list(policy.LABEL, self.settings.volume)) >= _SANDBOXES:
                    raise Refused(f"create: there are {_SANDBOXES} sandboxes already")
                await self._relay(call, reader, writer)
        else:
            await self._relay(call, reader, writer)

    async def _relay(self, call: policy.Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self.engine.call(call.method, call.target, call.body, upgrade=call.upgrades) as answer:
            gone = asyncio.create_task(_wait_until_closed(reader))
            flowing = asyncio.create_task(_flow(answer, writer))
            try:
                await asyncio.wait({gone, flowing}, return_when=asyncio.FIRST_COMPLETED)
                if flowing.done():
                    flowing.result()
            finally:
                for task in (gone, flowing):
                    task.cancel()
                await asyncio.gather(gone, flowing, return_exceptions=True)


async def run(settings: Settings, socket: str, *, host: str, port: int) -> None:
    """Serve until cancelled, and remove the sandboxes whose owner did not."""
    engine = Engine(socket=socket)
    server = await asyncio.start_server(Proxy(settings=settings, engine=engine).serve, host, port, limit=_HEAD_BYTES)
    log.info("sandboxes of %s on volume %s; candidates: %s", settings.image, settings.volume, settings.candidates)
    async with server, asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve_forever())
        tasks.create_task(reaper.run(engine, settings))


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    try:
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("ascii")
    except (asyncio.LimitOverrunError, UnicodeDecodeError):
        raise Refused("the head of the request is too long, or not ASCII") from None
    line, *rest = head.split("\r\n")
    matched = _REQUEST_LINE.fullmatch(line)
    if not matched:
        raise Refused(f"{line[:200]!r} is not a request of a sandbox")
    headers: dict[str, str] = {}
    for text in rest:
        header = _HEADER.fullmatch(text)
        if not header or header[1].lower() in headers:
            raise Refused("a header is malformed, or stands there twice")
        headers[header[1].lower()] = header[2].strip()
    if "transfer-encoding" in headers or "expect" in headers:
        raise Refused("the body has to come in one piece, with its length")
    length = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length) or int(length) > _BODY_BYTES:
        raise Refused(f"a body of {length[:20]!r} bytes is not let through")
    return matched[1], matched[2], await reader.readexactly(int(length))


async def _flow(answer: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await answer.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def _wait_until_closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 12):
        pass  # a sandbox has no input, and a connection no second request


def _say(writer: asyncio.StreamWriter, status: HTTPStatus, message: str) -> None:
    body = engines.message(message)
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)


def main() -> None:
    """Serve this deployment's tasks."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(run(load(os.environ), _SOCKET, host="0.0.0.0", port=_PORT))  # noqa: S104 - a network of its own


if __name__ == "__main__":
    main()
