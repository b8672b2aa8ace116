"""What ruff says about removed and deprecated Airflow API: one process for all files."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from airlock import folders, process
from airlock.errors import CommandFailed, CommandTimeout
from airlock.text import is_utf8
from airlock.validate.outcome import FileOutcome, Lint

_TIMEOUT_S, _AGAIN_S = 60.0, 15.0
_SIMPLIFY = "make its longest expression shorter"
# The repository's own configuration of ruff, and its comments, must neither switch these off nor add others.
_COMMAND = (
    *("check", "--isolated", "--select=AIR3", "--output-format=json"),
    *("--no-cache", "--exit-zero", "--no-respect-gitignore", "--ignore-noqa"),
)


def add(root: Path, outcomes: Sequence[FileOutcome]) -> tuple[FileOutcome, ...]:
    """Return the outcomes with what ruff says about each file and about the modules of the tree that it imports.

    A file that ends ruff has that told of it. Raises ``CommandFailed`` or ``CommandTimeout`` when ruff does not work at
    all.
    """
    sources = {name for outcome in outcomes for name in _sources(outcome) if folders.is_file(root / name)}
    told: dict[str, list[Lint]] = {}
    for message in _messages(root, sorted(sources)):
        told.setdefault(message.file, []).append(message)
    return tuple(
        replace(outcome, lint=tuple(message for name in _sources(outcome) for message in told.get(name, ())))
        for outcome in outcomes
    )


def _sources(outcome: FileOutcome) -> list[str]:
    return sorted(name for name in {outcome.file, *outcome.inputs} if name.endswith(".py"))


def _messages(root: Path, files: Sequence[str]) -> list[Lint]:
    try:
        return list(_run(root, files, timeout_s=_TIMEOUT_S))
    except (CommandFailed, CommandTimeout):
        _run_on_nothing()
        return list(_in_halves(root, files))


def _in_halves(root: Path, files: Sequence[str]) -> Iterator[Lint]:
    """Yield what ruff says about files of which one ends it, and that it does."""
    middle = len(files) // 2
    for half in (files[:middle], files[middle:]):
        try:
            yield from list(_run(root, half, timeout_s=_AGAIN_S))
        except (CommandFailed, CommandTimeout) as error:
            if len(half) > 1:
                yield from _in_halves(root, half)
                continue
            why = "it takes too long" if isinstance(error, CommandTimeout) else "the file ends it"
            yield Lint(file=half[0], line=1, code="AIR3", message=f"ruff cannot check this: {why}", advice=_SIMPLIFY)


def _run_on_nothing() -> None:
    """Raise what ruff fails with, if that is not because of a file."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "empty.py").touch()
        list(_run(Path(folder), ["empty.py"], timeout_s=_AGAIN_S))


def _run(root: Path, files: Sequence[str], *, timeout_s: float) -> Iterable[Lint]:
    if not files:
        return
    with tempfile.NamedTemporaryFile("w", prefix="airlock-ruff-", encoding="utf-8") as arguments:
        # Thousands of paths do not fit on a command line.
        arguments.write("".join(f"{root / name}\n" for name in files if "\n" not in name and is_utf8(name)))
        arguments.flush()
        argv = [sys.executable, "-P", "-m", "ruff", *_COMMAND, f"@{arguments.name}"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("RUFF_")}
        completed = process.run(argv, timeout_s=timeout_s, cwd=Path(arguments.name).parent, env=environ)
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
