"""What the proxy lets through to the Docker engine: the eleven calls of a sandbox, and nothing else.

A call that is let through is made anew from what was understood of the request. No header, no path, no query and no
body of a client ever reaches the engine, so that it does not matter how the engine would have read them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from airlock.sandbox import shape
from airlock.sandbox.settings import Settings

LABEL = "airlock.sandbox"
NAME_PREFIX = "airlock-sandbox-"
_TARGET = re.compile(r"(?P<version>/v1\.[45]\d)?(?P<path>/[a-z_/0-9]+)(?:\?(?P<query>[!-~]*))?", re.ASCII)
_CONTAINER = re.compile(r"/containers/(?P<id>[0-9a-f]{64})(?P<action>/json|/attach|/start|/wait|/stop)?", re.ASCII)
_ATTACH = {"logs": "0", "stdout": "1", "stderr": "1", "stream": "1"}
_STOP_SECONDS = re.compile(r"[0-9]{1,2}", re.ASCII)


class Refused(Exception):
    """A request is not let through; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of the engine. With a ``container`` it is made only if that container is one of ours."""

    method: str
    target: str
    body: bytes = b""
    container: str = ""
    creates: bool = False
    upgrades: bool = False


def decide(settings: Settings, method: str, target: str, body: bytes, *, name: str) -> Call:
    """Return the call that a request stands for; ``name`` is given to a container that it creates.

    Raises ``Refused``.
    """
    matched = _TARGET.fullmatch(target)
    if not matched:
        raise Refused(f"{method} {target[:200]!r} is not a call of a sandbox")
    version, path, query = matched["version"] or "", matched["path"], _query(matched["query"] or "")
    if (method, path) == ("POST", "/containers/create"):
        _allow(query, {})
        made = json.dumps(_create(settings, body)).encode()
        target = f"{version}/containers/create?{urlencode({'name': name})}"
        return Call(method=method, target=target, body=made, creates=True)
    if body:
        raise Refused(f"{method} {path} has no body")
    if method == "GET" and path in ("/version", "/_ping"):
        _allow(query, {})
        return Call(method=method, target=f"{version}{path}")
    if (method, path) == ("GET", "/images/json"):
        return Call(method=method, target=f"{version}{path}?{urlencode(_image(settings, query))}")
    return _of_container(method, version, path, query)


def is_ours(settings: Settings, inspected: Any) -> bool:
    """Tell whether a container, as the engine describes it, was made by a proxy with these settings.

    The label could come from an image, the name could not.
    """
    try:
        labels, name = inspected["Config"]["Labels"] or {}, inspected["Name"]
    except (KeyError, TypeError):
        return False
    return labels.get(LABEL) == settings.volume and str(name).startswith(f"/{NAME_PREFIX}")


def _of_container(method: str, version: str, path: str, query: Mapping[str, str]) -> Call:
    matched = _CONTAINER.fullmatch(path)
    if not matched:
        raise Refused(f"{method} {path} is not a call of a sandbox")
    container, action = matched["id"], matched["action"] or ""
    target, upgrades = f"{version}{path}", False
    match (method, action):
        case ("GET", "/json") | ("POST", "/start" | "/wait"):
            _allow(query, {})
        case ("POST", "/attach"):
            if query != _ATTACH:
                raise Refused("attach: only what the container prints, from its start")
            target, upgrades = f"{target}?{urlencode(_ATTACH)}", True
        case ("POST", "/stop"):
            seconds = query.get("t", "10")
            _allow(query, {"t": seconds})
            if not _STOP_SECONDS.fullmatch(seconds):
                raise Refused("stop: t is not a number of seconds")
            target = f"{target}?t={seconds}"
        case ("DELETE", ""):
            if not query.keys() <= {"v", "link", "force"} or query.get("link", "False") != "False":
                raise Refused("delete: only v and force")
            target = f"{target}?force=1&v=1"
        case _:
            raise Refused(f"{method} {path} is not a call of a sandbox")
    return Call(method=method, target=target, container=container, upgrades=upgrades)


def _create(settings: Settings, data: bytes) -> dict[str, Any]:
    try:
        given = json.loads(data.decode("utf-8"), object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
        sandbox = shape.read(given, settings)
    except shape.Unlike as error:
        raise Refused(f"create: {error}") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"create: the body is not JSON that can be trusted: {error}") from error
    # Said to the engine and not to be asked for: whose it is, and that a health check of the image is none of ours.
    return {**shape.body(sandbox), "Labels": {LABEL: settings.volume}, "Healthcheck": {"Test": ["NONE"]}}


def _image(settings: Settings, query: Mapping[str, str]) -> dict[str, str]:
    try:
        reference = json.loads(query.get("filters", "{}"))["reference"][0]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise Refused("images: only a question for one image by its name") from None
    if not isinstance(reference, str) or not settings.allows(reference):
        raise Refused(f"images: {reference!r} is not allowed; AIRLOCK_CANDIDATES names those that are")
    return {"filters": json.dumps({"reference": [reference]})}


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=10)
    except ValueError:
        raise Refused("the query cannot be read") from None
    if len({key.casefold() for key, _ in pairs}) != len(pairs):
        raise Refused("the query has a name twice")
    return dict(pairs)


def _allow(query: Mapping[str, str], allowed: Mapping[str, str]) -> None:
    if query.keys() - allowed.keys():
        raise Refused(f"the query {', '.join(sorted(query))} is not allowed")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The engine reads names without regard to case: "Privileged" and "privileged" would be one.
    if len({key.casefold() for key, _ in pairs}) != len(pairs):
        raise ValueError("a name stands there twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
