"""What was seen of a revision before any rule has looked at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from airlock.verdict import Dag


@dataclass(frozen=True, kw_only=True)
class FileOutcome:
    """How the import of one DAG file went. Paths are relative to the root of the repository.

    ``how`` says how the child ended: ``parsed`` (it told its result), ``timed-out`` (it was killed), ``crashed`` (it
    ended without a result; ``detail`` says with which signal or status). ``errors`` are Airflow's import errors, by
    file. ``inputs`` are the files of the revision that the import read. ``output`` is the end of what the file printed.
    """

    file: str
    how: Literal["parsed", "timed-out", "crashed"]
    detail: str = ""
    dags: tuple[Dag, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    output: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """Which files Airflow would parse, or why it cannot tell.

    ``ignore_files`` maps unusable ignore files to the error.
    """

    files: tuple[str, ...] = ()
    error: str = ""
    ignore_files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """All that rules may look at. ``folder`` is the DAG folder below ``root``; ``owners`` tells who has a DAG id
    elsewhere.

    ``live_files`` maps the DAG ids that are live now to their files, so that the newcomer of two is the one to blame.
    """

    root: Path
    folder: Path
    discovery: Discovery
    outcomes: tuple[FileOutcome, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    live_files: Mapping[str, str] = field(default_factory=dict)

    def relative(self, path: Path) -> str:
        """Return a path as findings name it: relative to the root of the repository."""
        return path.relative_to(self.root).as_posix()
