"""The stack's secrets: made once, readable by Airflow's services only, and the database's and broker's share apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from airlock.container import secrets


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    made = (tmp_path / "secrets", tmp_path / "backend")
    for folder in made:
        folder.mkdir()
    secrets.write(*made)
    return made


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_address_has_the_password_of_its_server(folders: tuple[Path, Path]) -> None:
    own, backend = map(contents, folders)
    assert own["sql-alchemy-conn"] == f"postgresql+psycopg2://airflow:{own['postgres-password']}@postgres:5432/airflow"
    assert own["result-backend"] == f"db+postgresql://airflow:{own['postgres-password']}@postgres:5432/airflow"
    assert own["broker-url"] == f"redis://:{own['redis-password']}@redis:6379/0"
    assert own["flower-basic-auth"] == f"admin:{own['admin-password']}"
    assert backend["postgres-password"] == own["postgres-password"]
    assert f"requirepass {own['redis-password']}\n" in backend["redis.conf"]


def test_no_value_ends_in_a_newline_that_airflow_would_take_for_a_part_of_it(folders: tuple[Path, Path]) -> None:
    assert [name for name, value in contents(folders[0]).items() if value != value.strip()] == []


def test_the_next_start_keeps_every_value(folders: tuple[Path, Path]) -> None:
    before = [contents(folder) for folder in folders]
    secrets.write(*folders)
    assert [contents(folder) for folder in folders] == before


def test_a_lost_share_of_the_backend_is_made_again_from_the_secrets(folders: tuple[Path, Path]) -> None:
    before = contents(folders[1])
    for path in folders[1].iterdir():
        path.unlink()
    secrets.write(*folders)
    assert contents(folders[1]) == before


def test_airflows_secrets_are_private_and_the_backends_can_be_read_by_its_users(folders: tuple[Path, Path]) -> None:
    own, backend = folders
    assert {path.stat().st_mode & 0o777 for path in own.iterdir()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in backend.iterdir()} == {0o444}
    assert not contents(backend).keys() & {"fernet-key", "jwt-secret", "admin-password"}
