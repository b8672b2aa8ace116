"""The sandbox proxy of tests: on a free port, in front of an engine's socket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airlock.sandbox import proxy
from airlock.sandbox.engine import Engine
from airlock.sandbox.settings import Settings


@dataclass(frozen=True)
class Door:
    """Where the proxy listens."""

    port: int

    def send(self, data: bytes) -> tuple[int, Any]:
        """Send bytes as they are; return the status and the decoded body of the first answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            client.sendall(data)
            answer = bytearray()
            while piece := client.recv(1 << 16):
                answer += piece
        head, _, rest = bytes(answer).partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), json.loads(rest) if rest else None

    def ask(self, method: str, target: str, document: Any = None) -> tuple[int, Any]:
        """Make one call."""
        data = b"" if document is None else json.dumps(document).encode()
        return self.send(
            f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
        )


@contextmanager
def serve(settings: Settings, engine: Path) -> Iterator[Door]:
    """Give a proxy that listens."""
    loop = asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        serving = proxy.Proxy(settings=settings, engine=Engine(socket=str(engine)))
        return await asyncio.start_server(serving.serve, "127.0.0.1", 0, limit=16 << 10)

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield Door(server.sockets[0].getsockname()[1])
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(_end_connections())
    loop.close()


async def _end_connections() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
