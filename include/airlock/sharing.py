"""The imports of a large revision, shared among tasks, which Airflow's executor brings to several workers.

Steps, and what a crash after each leaves behind:

1. postponed: a sync found more files to import than one task should. Nothing has changed.
2. handed over: each shard was imported by a task of its own, and its outcomes are a file of the cache.
3. concluded: the sync ran once more, took what was handed over, imported what was missing, and removed the files.

No sync depends on the files: those of a worker with another environment, and damaged ones, are not taken.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from airlock.errors import OperatorError, StateError
from airlock.state import State
from airlock.validate import imports
from airlock.validate.cache import Cache, Given, Remembered
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Look

log = logging.getLogger(__name__)

MOST_SHARDS = 100


class Postponed(Exception):
    """A judgement waits until others have imported ``files`` of ``revision``; no error."""

    def __init__(self, revision: str, files: Sequence[str]) -> None:
        super().__init__(f"{len(files)} DAG files of {revision[:12]} are imported by several tasks")
        self.revision = revision
        self.files = tuple(files)

    def shards(self, size: int) -> list[dict[str, Any]]:
        """Return who imports what, at least ``size`` files each, as arguments of mapped tasks."""
        count = max(1, min(len(self.files) // size, MOST_SHARDS))
        return [asdict(Shard(revision=self.revision, number=n, files=self.files[n::count])) for n in range(count)]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A part of the DAG files of a revision, by paths relative to its root."""

    revision: str
    number: int
    files: tuple[str, ...]


def parse(document: Mapping[str, Any]) -> Shard:
    """Return the shard of a mapped task's argument."""
    return Shard(revision=document["revision"], number=document["number"], files=tuple(document["files"]))


def clear(state: State, source: str) -> None:
    """Remove what was handed over."""
    shutil.rmtree(state.shards(source), ignore_errors=True)


def hand_over(look: Look, server: ForkServer, state: State, shard: Shard) -> str:
    """Import the files of a shard that ``look`` has found still to be imported, hand the outcomes over, and return
    what was done, for a person.

    Raises ``OperatorError`` when ruff fails, ``StateError`` when the outcomes cannot be written.
    """
    subject, memory = look.subject, look.memory
    files = [path for name, path in look.files.items() if name in set(shard.files)]
    observed = imports.import_all(look.observed, server, subject.bundle, files)
    if observed.lint_failure:
        raise OperatorError(observed.lint_failure, hint="the sync imports these files itself")
    if memory is None:
        raise ValueError("a look without a cache cannot be shared")
    remembered = {
        outcome.file: memory.remember(outcome, server.answers)
        for outcome in observed.outcomes
        if not outcome.has_secret  # the sync imports that file itself, and knows then what it must not show
    }
    folder = state.shards(subject.bundle) / shard.revision
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".tmp", delete=False) as beside:
            beside.write(memory.pack(remembered))
        Path(beside.name).replace(folder / f"{shard.number}.{memory.circumstances}.json")
    except OSError as error:
        raise StateError(
            f"{folder} cannot be written: {error.strerror}", hint="free space, or check its permissions"
        ) from error
    return f"{len(files)} DAG files were imported"


def given(state: State, source: str, memory: Cache) -> Given | None:
    """Return the outcomes that were handed over under the circumstances of ``memory``."""
    folder = next(state.shards(source).glob("*"), None)
    if folder is None:
        return None
    remembered = dict(item for path in sorted(folder.glob("*.json")) for item in _read(path, memory))
    return Given(revision=folder.name, remembered=remembered)


def _read(path: Path, memory: Cache) -> Iterator[tuple[str, Remembered]]:
    if path.name.split(".")[1] != memory.circumstances:
        log.warning("%s was made in another environment, and is not used", path)
        return
    with suppress(OSError):
        try:
            yield from memory.unpack(path.read_bytes()).items()
        except msgspec.MsgspecError as error:
            log.warning("%s is damaged, and is not used: %s", path, error)
