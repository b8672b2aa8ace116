"""The secrets of an embedded deployment: generated once, kept, readable by the owner only."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from airlock.embedded.layout import Layout

ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What the components share. ``passwords_file`` is the simple auth manager's own file."""

    admin_password: str
    fernet_key: str
    jwt_secret: str
    api_secret_key: str
    passwords_file: Path


def load(layout: Layout) -> Secrets:
    """Return the secrets of a deployment; those that are missing are made first."""
    admin_password = _kept(layout.password, secrets.token_urlsafe(12))
    passwords_file = layout.secrets / "passwords.json"
    write_private(passwords_file, json.dumps({ADMIN: admin_password}))
    return Secrets(
        admin_password=admin_password,
        fernet_key=_kept(layout.secrets / "fernet-key", base64.urlsafe_b64encode(os.urandom(32)).decode()),
        jwt_secret=_kept(layout.secrets / "jwt-secret", secrets.token_urlsafe(48)),
        api_secret_key=_kept(layout.secrets / "api-secret-key", secrets.token_urlsafe(32)),
        passwords_file=passwords_file,
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, complete or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)


def _kept(path: Path, fresh: str) -> str:
    try:
        kept = path.read_text("utf-8").strip()
    except FileNotFoundError:
        kept = ""
    if kept:
        path.chmod(0o600)
        return kept
    write_private(path, f"{fresh}\n")
    return fresh
