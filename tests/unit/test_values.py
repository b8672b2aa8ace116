from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airlock.errors import UsageError
from airlock.validate import values


def file(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "values.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_variables_are_given_as_airflow_exports_them(tmp_path: Path) -> None:
    exported = {"region": "eu", "limits": {"rows": 3}, "noted": {"value": "x", "description": "why"}, "number": 7}
    resolve = values.read(file(tmp_path, {"variables": exported}))
    given = {name: resolve({"type": "GetVariable", "key": name}) for name in (*exported, "other")}
    assert {name: answer and answer["value"] for name, answer in given.items()} == {
        "region": "eu",
        "limits": '{"rows": 3}',
        "noted": "x",
        "number": "7",
        "other": None,
    }


def test_names_of_variables_come_in_pages(tmp_path: Path) -> None:
    resolve = values.read(file(tmp_path, {"variables": dict.fromkeys(["b1", "a", "b2", "b3"], "")}))
    page = resolve({"type": "GetVariableKeys", "prefix": "b", "limit": 2, "offset": 1})
    assert page == {"type": "VariableKeysResult", "keys": ["b2", "b3"], "total_entries": 3}


def test_connections_are_given_as_airflow_exports_them(tmp_path: Path) -> None:
    exported = {"conn_type": "postgres", "host": "db", "port": "5432", "login": "", "extra": {"sslmode": "require"}}
    resolve = values.read(file(tmp_path, {"connections": {"warehouse": {**exported, "description": None}}}))
    assert resolve({"type": "GetConnection", "conn_id": "warehouse"}) == {
        "type": "ConnectionResult",
        "conn_id": "warehouse",
        "conn_type": "postgres",
        "host": "db",
        "schema": None,
        "login": None,
        "password": None,
        "port": 5432,
        "extra": '{"sslmode": "require"}',
    }
    assert resolve({"type": "GetConnection", "conn_id": "other"}) is None


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{\n,", "line 2: not JSON"),
        ([], "it must be an object"),
        ({"variable": {}}, "variable: unknown key"),
        ({"variables": []}, "variables must be an object"),
        ({"connections": {"a": "postgres://dora:secret@db"}}, "connections.a must be an object"),
        ({"connections": {"a": {"host": "db"}}}, "connections.a.conn_type: must be a text"),
        ({"connections": {"a": {"conn_type": "x", "passwort": "secret"}}}, "connections.a.passwort: unknown key"),
        ({"connections": {"a": {"conn_type": "x", "port": "secret"}}}, "connections.a.port: must be a number"),
    ],
)
def test_another_form_is_an_error_that_shows_no_value(tmp_path: Path, document: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        values.read(file(tmp_path, document))
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json cannot be read"):
        values.read(tmp_path / "nowhere.json")


@pytest.mark.parametrize("kind", ["variables", "connections"])
def test_a_name_that_airflow_cannot_have_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UsageError, match=f"{kind}: a name is empty"):
        values.read(file(tmp_path, {kind: {"": {"conn_type": "http"}}}))
