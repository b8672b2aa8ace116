"""Damages objects of a repository as a power cut, a bad disk or a careless hand does."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from airlock import git

Way = Literal["empty", "truncate", "delete", "overwrite"]
WAYS: tuple[Way, ...] = ("empty", "truncate", "delete", "overwrite")


def hurt(repository: Path, expression: str, way: Way) -> str:
    """Damage the loose object that an expression means and return its name."""
    sha = git.run(repository, "rev-parse", expression).text
    hurt_file(repository / "objects" / sha[:2] / sha[2:], way)
    return sha


def hurt_file(file: Path, way: Way) -> None:
    """Damage a file."""
    content = file.read_bytes()
    file.chmod(0o644)
    if way == "delete":
        file.unlink()
    else:
        file.write_bytes(
            {"empty": b"", "truncate": content[: len(content) // 2], "overwrite": bytes(len(content))}[way]
        )


def pack(repository: Path) -> Path:
    """Put all objects into one pack and return it."""
    git.run(repository, "repack", "-a", "-d", "-q")
    return next((repository / "objects/pack").glob("*.pack"))
