"""What a DAG file learns when it asks Airflow for a variable or a connection while it is imported.

In a deployment the answer is the one that the DAG processor would give; without one (a laptop) environment variables
and what a file of values has are known (``airlock.validate.values``), and everything else is not found. Reads only: a
write is refused. Frames are those of ``airflow.sdk.execution_time.comms``: four bytes of length, big-endian, then
msgpack ``[id, body, error]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
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

# What Airflow's execution API answers 422 to: its routes say so (``execution_api.routes``).
_MOST_KEYS = 10_000
_REFUSED = {"error": "API_SERVER_ERROR", "detail": {"status_code": 422, "message": "Airflow refuses the question"}}
_ERROR = "ErrorResponse"

Resolve = Callable[[Mapping[str, Any]], dict[str, Any] | None]
"""Takes the body of a request; returns the body of the answer, which may be an error of Airflow, or ``None`` when there
is no such thing."""


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
        word = {"GetVariable": "variable", "GetConnection": "connection"}.get(self.kind)
        told = f"{word} {self.name or repr('')}" if word else f"all variables {self.name}".strip()
        return told + ("" if self.known else " (unknown)")

    @property
    def is_write(self) -> bool:
        """Whether the file wanted to change something."""
        return self.kind not in _QUESTIONS


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to one question as it is sent, what was asked, and the values that the file wants hidden."""

    frame: bytes
    asked: Asked | None = None
    masked: frozenset[str] = frozenset()


class Answers:
    """Answers the questions of all DAG files of one validation, and remembers which secrets they were given."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve
        self._secrets: set[str] = set()
        self._hidden: dict[str, set[str]] = {}
        self._longest_first: dict[str, tuple[str, ...]] = {}
        self._looked_up: dict[Asked, bytes] = {}

    def to_frame(self, frame: bytes) -> Reply:
        """Return the reply to one request frame (without its length); its own frame has the length.

        Raises ``ValueError`` when it is no request.
        """
        number, kind, body = request(frame)
        asked, masked = None, frozenset[str]()
        if kind == "MaskSecret":
            masked = frozenset(_secrets(body.get("value")))
            answer: list[Any] = [number, None, None]
        elif kind in _QUESTIONS:
            name = _text(body, _QUESTIONS[kind])
            answer = self._answer(number, kind, name, body)
            asked = Asked(kind=kind, name=name, known=answer[2] is None)
        else:
            asked = Asked(kind=kind, name=key if isinstance(key := body.get("key"), str) else "", known=False)
            detail = {"message": f"{kind} is refused while a DAG file is validated"}
            answer = [number, None, {"type": _ERROR, "error": "PERMISSION_DENIED", "detail": detail}]
        data = msgspec.msgpack.encode(answer)
        return Reply(frame=len(data).to_bytes(4, "big") + data, asked=asked, masked=masked)

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

    def hide(self, file: str, values: Iterable[str]) -> None:
        """Hide values wherever a text is about this DAG file."""
        self._hidden.setdefault(file, set()).update(values)
        self._longest_first.pop(file, None)

    def redact(self, text: str, file: str | None = None) -> str:
        """Return a text about a DAG file with every secret that a file was given, and all that this one hides, as
        ``***``."""
        name = file if file in self._hidden else ""
        if name not in self._longest_first:
            secrets = self._secrets | self._hidden.get(name, set())
            self._longest_first[name] = tuple(sorted(secrets, key=len, reverse=True))
        for secret in self._longest_first[name]:
            text = text.replace(secret, "***")
        return text

    def _answer(self, number: int, kind: str, name: str, body: Mapping[str, Any]) -> list[Any]:
        # Only what belongs there is asked for: the body was made by foreign code.
        ranges = {key: body[key] for key in ("limit", "offset") if type(body.get(key)) is int}
        question: dict[str, Any] = {"type": kind, _QUESTIONS[kind]: name}
        if kind == "GetVariableKeys":
            question |= {"prefix": name or None, **ranges}
        if _is_refused(question):
            return [number, None, {"type": _ERROR, **_REFUSED}]
        found = self._resolve(question) if self._resolve else None
        if found is None and kind == "GetVariableKeys":
            found = {"type": "VariableKeysResult", "keys": [], "total_entries": 0}
        if found is None:
            error, key = _NOT_FOUND[kind]
            return [number, None, {"type": _ERROR, "error": error, "detail": {key: name}}]
        if found.get("type") == _ERROR:
            return [number, None, found]
        self._remember({*_secrets([found.get(field) for field in _SECRET_FIELDS])})
        return [number, found, None]

    def _remember(self, secrets: set[str]) -> None:
        if not secrets <= self._secrets:
            self._secrets |= secrets
            self._longest_first.clear()


def _is_refused(question: Mapping[str, Any]) -> bool:
    if question["type"] != "GetVariableKeys":
        return not question[_QUESTIONS[question["type"]]]
    return not 1 <= question.get("limit", 1) <= _MOST_KEYS or question.get("offset", 0) < 0


def _secrets(value: Any) -> Iterator[str]:
    """Yield the texts in a value, however deep, that are long enough to be secrets."""
    values = [value]
    while values:
        one = values.pop()
        if isinstance(one, str) and len(one) >= _SHORTEST_SECRET:
            yield one
        elif isinstance(one, dict):
            values += one.values()
        elif isinstance(one, list):
            values += one


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key) or ""
    if isinstance(value, str):
        return value
    raise ValueError(f"not a request: its {key} is no text")


def request(frame: bytes) -> tuple[int, str, Mapping[str, Any]]:
    """Return the number, the type and the body of a request frame. Raises ``ValueError`` when it is none."""
    try:
        one = msgspec.msgpack.decode(frame, type=_Request)
    except (ValueError, TypeError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise ValueError("not a request") from error
    return one.id, _text(one.body, "type"), one.body


class _Request(msgspec.Struct, array_like=True):
    id: int
    body: dict[str, Any]
