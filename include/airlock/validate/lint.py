"""What ruff says about removed and deprecated Airflow API: one process for all files."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from airlock import process
from airlock.errors import CommandFailed
from airlock.text import is_utf8
from airlock.validate.outcome import FileOutcome, Lint

_TIMEOUT_S = 120.0
# The repository's own configuration of ruff must neither switch these off nor add others.
_COMMAND = (
    *("check", "--isolated", "--select=AIR3", "--output-format=json"),
    *("--no-cache", "--exit-zero", "--no-respect-gitignore"),
)


def add(root: Path, outcomes: Sequence[FileOutcome]) -> tuple[FileOutcome, ...]:
    """Return the outcomes with what ruff says about each file and about the modules of the tree that it imports.

    Raises ``CommandFailed`` or ``CommandTimeout`` when ruff does not do its work.
    """
    sources = {name for outcome in outcomes for name in _sources(outcome) if (root / name).is_file()}
    told: dict[str, list[Lint]] = {}
    for message in _run(root, sorted(sources)):
        told.setdefault(message.file, []).append(message)
    return tuple(
        replace(outcome, lint=tuple(message for name in _sources(outcome) for message in told.get(name, ())))
        for outcome in outcomes
    )


def _sources(outcome: FileOutcome) -> list[str]:
    return sorted(name for name in {outcome.file, *outcome.inputs} if name.endswith(".py"))


def _run(root: Path, files: Sequence[str]) -> Iterable[Lint]:
    if not files:
        return
    with tempfile.NamedTemporaryFile("w", prefix="airlock-ruff-", encoding="utf-8") as arguments:
        # Thousands of paths do not fit on a command line.
        arguments.write("".join(f"{root / name}\n" for name in files if "\n" not in name and is_utf8(name)))
        arguments.flush()
        argv = [sys.executable, "-P", "-m", "ruff", *_COMMAND, f"@{arguments.name}"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("RUFF_")}
        completed = process.run(argv, timeout_s=_TIMEOUT_S, cwd=Path(arguments.name).parent, env=environ)
    try:
        messages: list[dict[str, Any]] = json.loads(completed.stdout)
    except ValueError:
        raise CommandFailed(
            "ruff did not answer in JSON", status=completed.status, stderr=completed.stderr.decode("utf-8", "replace")
        ) from None
    for message in messages:
        if str(message["code"]).startswith("AIR"):  # a syntax error has a code of its own, and is no news
            yield Lint(
                file=Path(message["filename"]).relative_to(root).as_posix(),
                line=message["location"]["row"],
                code=message["code"],
                message=message["message"],
                advice=(message.get("fix") or {}).get("message") or "",
            )
