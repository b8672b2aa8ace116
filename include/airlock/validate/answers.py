"""What a DAG file learns when it asks Airflow for a variable or a connection while it is imported.

In a deployment the answer is the one that the DAG processor would give; without one (a laptop) environment variables
and what a file of values has are known (``airlock.validate.values``), and everything else is not found. Reads only: a
write is refused. Frames are those of ``airflow.sdk.execution_time.comms``: four bytes of length, big-endian, then
msgpack ``[id, body, error]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

_NOT_FOUND = {
    "GetVariable": ("VARIABLE_NOT_FOUND", "key"),
    "GetConnection": ("CONNECTION_NOT_FOUND", "conn_id"),
}
_QUESTIONS = {"GetVariable": "key", "GetConnection": "conn_id", "GetVariableKeys": "prefix"}
_SECRET_FIELDS = ("password", "extra")
_SHORTEST_SECRET = 4

Resolve = Callable[[Mapping[str, Any]], dict[str, Any] | None]
"""Takes the body of a request; returns the body of the answer, or ``None`` when there is no such thing."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question of a DAG file: its kind (``GetVariable``, ``GetConnection``, ...) and the name it asked for.

    ``known`` is whether there was such a thing. A write was refused.
    """

    kind: str
    name: str
    known: bool = True

    def __str__(self) -> str:
        """What a person reads in the verdict."""
        if self.is_write:
            return f"{self.kind} {self.name}".strip() + " (refused)"
        word = {"GetVariable": "variable", "GetConnection": "connection"}.get(self.kind, "all variables")
        return f"{word} {self.name}".strip() + ("" if self.known else " (unknown)")

    @property
    def is_write(self) -> bool:
        """Whether the file wanted to change something."""
        return self.kind not in _QUESTIONS


class Answers:
    """Answers the questions of all DAG files of one validation, and remembers which secrets they were given."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve
        self._secrets: set[str] = set()
        self._looked_up: dict[Asked, bytes] = {}

    def to_frame(self, frame: bytes) -> tuple[bytes, Asked | None]:
        """Return the answer to one request frame (without its length), with its length, and what was asked.

        Raises ``ValueError`` when it is no request.
        """
        number, body = _request(frame)
        kind, name = str(body.get("type")), ""
        asked = None
        if kind == "MaskSecret":
            self._remember(body.get("value"))
            answer: list[Any] = [number, None, None]
        elif kind in _QUESTIONS:
            name = str(body.get(_QUESTIONS[kind]) or "")
            answer = self._answer(number, kind, name, body)
            asked = Asked(kind=kind, name=name, known=answer[2] is None)
        else:
            asked = Asked(kind=kind, name=str(body.get("key") or ""), known=False)
            detail = {"message": f"{kind} is refused while a DAG file is validated"}
            answer = [number, None, {"type": "ErrorResponse", "error": "PERMISSION_DENIED", "detail": detail}]
        data = msgspec.msgpack.encode(answer)
        return len(data).to_bytes(4, "big") + data, asked

    def fingerprint(self, asked: Asked, *, key: bytes) -> str:
        """Return what the answer to a question looks like now; empty when it cannot be compared.

        It is looked up once. Without ``key`` a fingerprint on disk does not help to guess a secret.
        """
        if asked.is_write:
            return "refused"
        if asked.kind == "GetVariableKeys":
            return ""
        if asked not in self._looked_up:
            answer = self._answer(0, asked.kind, asked.name, {})
            self._looked_up[asked] = msgspec.json.encode(answer, order="sorted")
        return hashlib.blake2b(self._looked_up[asked], key=key, digest_size=16).hexdigest()

    def redact(self, text: str) -> str:
        """Return ``text`` with every secret that a DAG file was given replaced by ``***``."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _answer(self, number: int, kind: str, name: str, body: Mapping[str, Any]) -> list[Any]:
        # Only what belongs there is asked for: the body was made by foreign code.
        ranges = {key: body[key] for key in ("limit", "offset") if isinstance(body.get(key), int)}
        question: dict[str, Any] = {"type": kind, _QUESTIONS[kind]: name}
        if kind == "GetVariableKeys":
            question |= {"prefix": name or None, **ranges}
        found = self._resolve(question) if self._resolve else None
        if found is None and kind == "GetVariableKeys":
            found = {"type": "VariableKeysResult", "keys": [], "total_entries": 0}
        if found is None:
            error, key = _NOT_FOUND[kind]
            return [number, None, {"type": "ErrorResponse", "error": error, "detail": {key: name}}]
        for secret in _SECRET_FIELDS:
            self._remember(found.get(secret))
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


def _request(frame: bytes) -> tuple[int, Mapping[str, Any]]:
    try:
        number, body, *_ = msgspec.msgpack.decode(frame)
        return int(number), dict(body or {})
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ValueError("not a request") from error
