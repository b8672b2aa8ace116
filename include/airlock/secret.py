"""The secrets that Airflow's components share: generated once, kept in a folder, readable by their owner only."""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

ADMIN = "admin"
ADMIN_PASSWORD = "admin-password"  # noqa: S105 - the name of a file


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The password of the user ``ADMIN``, and the keys of Airflow's own that every component has to agree on."""

    admin_password: str
    fernet_key: str
    jwt_secret: str
    api_secret_key: str


def load(folder: Path) -> Secrets:
    """Return the secrets of a folder; those that are missing are made first."""
    return Secrets(
        admin_password=kept(folder / ADMIN_PASSWORD, secrets.token_urlsafe(12)),
        fernet_key=kept(folder / "fernet-key", base64.urlsafe_b64encode(os.urandom(32)).decode()),
        jwt_secret=kept(folder / "jwt-secret", secrets.token_urlsafe(48)),
        api_secret_key=kept(folder / "api-secret-key", secrets.token_urlsafe(32)),
    )


def kept(path: Path, fresh: str) -> str:
    """Return the secret in a file; without one, ``fresh`` is written there first."""
    try:
        found = path.read_text("utf-8").strip()
    except FileNotFoundError:
        found = ""
    if found:
        path.chmod(0o600)
        return found
    write_private(path, fresh)
    return fresh


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that only its owner can read (or whoever ``mode`` says), complete or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    beside.rename(path)
