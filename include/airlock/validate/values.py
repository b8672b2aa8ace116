"""Variables and connections from a file, for a machine without a deployment.

The file is JSON in the form that Airflow exports (``airflow variables export``, ``airflow connections export``)::

    {"variables": {"region": "eu"}, "connections": {"warehouse": {"conn_type": "postgres", "host": "db"}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airlock.errors import UsageError
from airlock.validate.answers import Resolve

_KINDS = ("variables", "connections")
_FIELDS = ("conn_type", "host", "schema", "login", "password", "port", "extra")
_IGNORED = ("description", "id", "conn_id", "get_uri")
_HINT = 'write {"variables": {...}, "connections": {...}}, as airflow variables export and connections export do'


def read(path: Path) -> Resolve:
    """Return what answers the questions of DAG files from the file at ``path``.

    Raises ``UsageError`` when it cannot be read or has another form; no message has a value in it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint=_HINT) from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}: line {error.lineno}: not JSON", hint=_HINT) from None
    tables = _table(path, "", document)
    unknown = sorted(tables.keys() - set(_KINDS))
    if unknown:
        raise UsageError(f"{path}: {unknown[0]}: unknown key", hint=_HINT)
    for kind in _KINDS:
        if "" in _table(path, kind, tables.get(kind, {})):
            raise UsageError(f"{path}: {kind}: a name is empty", hint="Airflow has none without a name: remove it")
    variables = {
        name: _variable(value) for name, value in _table(path, "variables", tables.get("variables", {})).items()
    }
    connections = {
        name: _connection(path, name, value)
        for name, value in _table(path, "connections", tables.get("connections", {})).items()
    }

    def resolve(body: Mapping[str, Any]) -> dict[str, Any] | None:
        if body["type"] == "GetVariableKeys":
            names = sorted(name for name in variables if name.startswith(body.get("prefix") or ""))
            start = int(body.get("offset") or 0)
            stop = start + int(body.get("limit") or len(names))
            return {"type": "VariableKeysResult", "keys": names[start:stop], "total_entries": len(names)}
        if body["type"] == "GetVariable":
            key = body["key"]
            return {"type": "VariableResult", "key": key, "value": variables[key]} if key in variables else None
        return connections.get(body["conn_id"])

    return resolve


def _table(path: Path, place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {place or 'it'} must be an object", hint=_HINT)
    return value


def _variable(value: Any) -> str:
    if isinstance(value, dict) and "value" in value and value.keys() <= {"value", "description"}:
        value = value["value"]
    return value if isinstance(value, str) else json.dumps(value)


def _connection(path: Path, name: str, value: Any) -> dict[str, Any]:
    fields = _table(path, f"connections.{name}", value)
    unknown = sorted(fields.keys() - {*_FIELDS, *_IGNORED})
    if unknown:
        raise UsageError(
            f"{path}: connections.{name}.{unknown[0]}: unknown key", hint=f"known are {', '.join(_FIELDS)}"
        )
    if not isinstance(fields.get("conn_type"), str):
        raise UsageError(f"{path}: connections.{name}.conn_type: must be a text", hint=_HINT)
    answer = {key: None if fields.get(key) == "" else fields.get(key) for key in _FIELDS}
    if isinstance(answer["extra"], dict):
        answer["extra"] = json.dumps(answer["extra"])
    if answer["port"] is not None:
        answer["port"] = _port(path, name, answer["port"])
    return {"type": "ConnectionResult", "conn_id": name, **answer}


def _port(path: Path, name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise UsageError(f"{path}: connections.{name}.port: must be a number", hint=_HINT) from None
