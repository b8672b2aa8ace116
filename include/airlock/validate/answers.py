"""What a DAG file learns when it asks Airflow for a variable or a connection while it is imported.

In a deployment the answer is the one that the DAG processor would give; without one (a laptop) only environment
variables are known, and everything else is not found. Reads only: a write is refused. Frames are those of
``airflow.sdk.execution_time.comms``: four bytes of length, big-endian, then msgpack ``[id, body, error]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

_NOT_FOUND = {
    "GetVariable": ("VARIABLE_NOT_FOUND", "key"),
    "GetConnection": ("CONNECTION_NOT_FOUND", "conn_id"),
}
_SECRET_FIELDS = ("password", "extra")
_SHORTEST_SECRET = 4

Resolve = Callable[[Mapping[str, Any]], dict[str, Any] | None]
"""Takes the body of a request; returns the body of the answer, or ``None`` when there is no such thing."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question of a DAG file: its kind (``GetVariable``, ``GetConnection``, ...) and the name it asked for."""

    kind: str
    name: str


class Answers:
    """Answers the questions of all DAG files of one validation, and remembers which secrets they were given."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve
        self._secrets: set[str] = set()

    def to_frame(self, frame: bytes) -> tuple[bytes, Asked | None]:
        """Return the answer to one request frame (without its length), with its length, and what was asked."""
        number, body, *_ = msgspec.msgpack.decode(frame)
        body = body or {}
        kind = str(body.get("type"))
        asked = None
        if kind == "MaskSecret":
            self._remember(body.get("value"))
            answer: list[Any] = [number, None, None]
        elif kind in ("GetVariable", "GetConnection", "GetVariableKeys"):
            asked = Asked(kind=kind, name=str(body.get("key") or body.get("conn_id") or body.get("prefix") or ""))
            answer = self._answer(number, kind, body)
        else:
            asked = Asked(kind=kind, name=str(body.get("key") or ""))
            detail = {"message": f"{kind} is refused while a DAG file is validated"}
            answer = [number, None, {"type": "ErrorResponse", "error": "PERMISSION_DENIED", "detail": detail}]
        data = msgspec.msgpack.encode(answer)
        return len(data).to_bytes(4, "big") + data, asked

    def redact(self, text: str) -> str:
        """Return ``text`` with every secret that a DAG file was given replaced by ``***``."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _answer(self, number: int, kind: str, body: Mapping[str, Any]) -> list[Any]:
        found = self._resolve(body) if self._resolve else None
        if found is None and kind == "GetVariableKeys":
            found = {"type": "VariableKeysResult", "keys": [], "total_entries": 0}
        if found is None:
            error, key = _NOT_FOUND[kind]
            return [number, None, {"type": "ErrorResponse", "error": error, "detail": {key: body.get(key)}}]
        for name in _SECRET_FIELDS:
            self._remember(found.get(name))
        return [number, found, None]

    def _remember(self, value: Any) -> None:
        if isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
            self._secrets.add(value)
        elif isinstance(value, dict):
            for item in value.values():
                self._remember(item)
        elif isinstance(value, list):
            for item in value:
                self._remember(item)
