"""Outcomes of imports, kept with the fingerprints of all that they depend on, so that only what changed is imported.

One file holds the outcomes of one source under the same circumstances: installed packages, Airflow's parse
configuration, version of Airlock. It is written beside and renamed, by whoever comes last; it can be deleted at any
time.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from airlock.validate.answers import Answers
from airlock.validate.fingerprint import Fingerprints, digest
from airlock.validate.outcome import FileOutcome
from airlock.validate.rules import time_out

log = logging.getLogger(__name__)

_FORMAT = 2
_LARGEST_BYTES = 256 << 20
_MOST_FILES = 16
_KEY_BYTES = 32
_ROOT = "\N{OBJECT REPLACEMENT CHARACTER}ROOT"  # stands for the path of the tree, which is another one every time


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """An outcome, and the fingerprints of its inputs and of the answers that it was given, in the same order.

    There are none when it ``lasts`` no longer than the revision that it was made for.
    """

    outcome: FileOutcome
    inputs: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    lasts: bool = True


@dataclass(frozen=True, kw_only=True)
class Given:
    """Outcomes that other tasks made for a revision, by file."""

    revision: str
    remembered: Mapping[str, Remembered]


class Cache:
    """The outcomes of one tree: which hold again, and which are worth keeping."""

    def __init__(self, folder: Path, circumstances: Iterable[str], *, root: Path, environ: Mapping[str, str]) -> None:
        self._key = _key(folder)
        self.circumstances = digest(repr((_FORMAT, *circumstances)))
        self._path = folder / f"{self.circumstances}.json"
        self._root = msgspec.json.encode(str(root))[1:-1]
        self._fingerprints = Fingerprints(str(root), environ)
        self._remembered = self._read()
        self._adopted: Mapping[str, Remembered] = {}

    def adopt(self, remembered: Mapping[str, Remembered]) -> None:
        """Take what others remember of files that nothing is known of here."""
        self._adopted = {file: one for file, one in remembered.items() if one.lasts}

    def recall(self, file: str, answers: Answers) -> Remembered | None:
        """Return the outcome of a file when everything that its import depended on is still the same."""
        known = self._remembered.get(file) or self._adopted.get(file)
        if known is None:
            return None
        touched = zip(known.outcome.touched, known.inputs, strict=True)
        if any(self._fingerprints.of(one) != before for one, before in touched):
            return None
        asked = zip(known.outcome.asked, known.answers, strict=True)
        if any(answers.fingerprint(one, key=self._key) != before for one, before in asked):
            return None
        return known

    def remember(self, outcome: FileOutcome, answers: Answers) -> Remembered:
        """Return an outcome with the fingerprints of what it depended on, if it can hold again."""
        if not why_not(outcome):
            inputs = tuple(self._fingerprints.of(one) for one in outcome.touched)
            given = tuple(answers.fingerprint(one, key=self._key) for one in outcome.asked)
            if all(inputs) and all(given):
                return Remembered(outcome=outcome, inputs=inputs, answers=given)
        return Remembered(outcome=outcome, lasts=False)

    def store(self, remembered: Iterable[Remembered]) -> None:
        """Keep the outcomes that can hold again; a cache that cannot be written is told in the log."""
        kept = {one.outcome.file: one for one in remembered if one.lasts}
        if kept != self._remembered:
            try:
                self._write(kept)
            except (OSError, UnicodeEncodeError) as error:
                log.warning("%s: the outcomes of imports cannot be kept: %s", self._path.parent, error)

    def pack(self, remembered: Mapping[str, Remembered]) -> bytes:
        """Return outcomes as `unpack` takes them, there for a tree at another place.

        Raises ``UnicodeEncodeError`` for text that UTF-8 does not have.
        """
        return msgspec.json.encode(remembered).replace(self._root, _ROOT.encode())

    def unpack(self, data: bytes) -> dict[str, Remembered]:
        """Return the outcomes of `pack`. Raises ``msgspec.MsgspecError`` for anything else."""
        return msgspec.json.decode(data.replace(_ROOT.encode(), self._root), type=dict[str, Remembered])

    def _read(self) -> dict[str, Remembered]:
        try:
            remembered = self.unpack(self._path.read_bytes())
            os.utime(self._path)
            return remembered
        except (OSError, msgspec.MsgspecError):  # none yet, or damaged: all is imported again
            return {}

    def _write(self, kept: Mapping[str, Remembered]) -> None:
        data, folder = self.pack(kept), self._path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if len(data) <= _LARGEST_BYTES:
            with tempfile.NamedTemporaryFile(dir=folder, suffix=".json.tmp", delete=False) as beside:
                beside.write(data)
            Path(beside.name).replace(self._path)
        for old in sorted(folder.glob("*.json*"), key=_changed)[:-_MOST_FILES]:
            with suppress(OSError):
                old.unlink()


def why_not(outcome: FileOutcome) -> str:
    """Return why an outcome holds for this time only; empty when it can hold again."""
    if outcome.how != "parsed" or any(time_out.is_meant(text) for text in outcome.errors.values()):
        return "it did not end as it should"
    if outcome.left or outcome.attempts:
        return "it did what is refused"
    if outcome.varies:
        return "it uses a clock, random numbers or the network"
    return "; ".join(outcome.unclear)


def _changed(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _key(folder: Path) -> bytes:
    """Return the key for fingerprints of answers. A new one makes earlier ones worthless, no more."""
    path = folder / "key"
    with suppress(OSError):
        if len(key := path.read_bytes()) == _KEY_BYTES:
            return key
    key = secrets.token_bytes(_KEY_BYTES)
    with suppress(OSError):  # it cannot be written: nor can outcomes, which is told
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".json.tmp", delete=False) as beside:
            beside.write(key)
        Path(beside.name).replace(path)
    return key
