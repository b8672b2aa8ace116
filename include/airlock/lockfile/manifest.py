"""``manifest.json``: what was observed about the environment, and the digests that prove the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airlock.errors import StateError
from airlock.lockfile.contents import Contents

FORMAT = 1
_VERSION = re.compile(r"\d+\.\d+\.\d+[a-z0-9]*")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why there is no complete lock: the reason in one word, what happened, and the way out."""

    reason: str
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The facts about one environment.

    ``environment`` is ``distributions.digest()``; ``python`` the full version; ``airflow`` the version, or empty where
    Airflow is not installed; ``platform`` and ``observations`` say where it was seen, and no lock depends on them;
    ``files`` has the sha256 of the other files; ``not_reproducible`` says why for each distribution that nobody else
    can install; ``problem`` is there when the lock is not.
    """

    environment: str
    python: str
    airflow: str
    platform: Mapping[str, str]
    distributions: Mapping[str, Contents]
    observations: Mapping[str, str | None] = field(default_factory=dict)
    not_reproducible: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None

    @property
    def is_complete(self) -> bool:
        """Whether there is a lock beside the constraints."""
        return self.problem is None

    def with_files(self, digests: Mapping[str, str]) -> Manifest:
        """Return this manifest for files with these digests."""
        return replace(self, files=dict(digests))

    def to_json(self) -> bytes:
        """Return the bytes of ``manifest.json``."""
        problem = self.problem
        record = {
            "format": FORMAT,
            "complete": self.is_complete,
            "problem": problem and {"reason": problem.reason, "message": problem.message, "hint": problem.hint},
            "environment": self.environment,
            "python": self.python,
            "airflow": self.airflow,
            "platform": dict(self.platform),
            "files": {name: {"sha256": digest} for name, digest in self.files.items()},
            "not_reproducible": dict(self.not_reproducible),
            "observations": dict(self.observations),
            "distributions": {
                name: {"version": contents.version, "sha256": contents.sha256, "pure": contents.is_pure}
                for name, contents in self.distributions.items()
            },
        }
        return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, *, subject: str) -> Manifest:
        """Return the manifest of these bytes.

        Raises ``StateError`` when they are none, or of a format that this Airlock does not know.
        """
        try:
            record = json.loads(data)
            if record["format"] != FORMAT:
                raise StateError(
                    f"{subject}: format {record['format']} is not known here, only {FORMAT}",
                    hint="use the Airlock version of the deployment",
                )
            return _from_record(record)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(f"{subject} is not a manifest: {error!r}", hint="publish the lockfile again") from error


def _from_record(record: Mapping[str, Any]) -> Manifest:
    problem = record["problem"]
    if not _VERSION.fullmatch(record["python"]):  # it becomes part of paths and command lines
        raise ValueError(f"python: {record['python']!r} is not a version")
    return Manifest(
        environment=record["environment"],
        python=record["python"],
        airflow=record["airflow"],
        platform=record["platform"],
        observations=record["observations"],
        not_reproducible=record["not_reproducible"],
        files={name: entry["sha256"] for name, entry in record["files"].items()},
        problem=problem and Problem(reason=problem["reason"], message=problem["message"], hint=problem["hint"]),
        distributions={
            name: Contents(version=entry["version"], sha256=entry["sha256"], is_pure=entry["pure"])
            for name, entry in record["distributions"].items()
        },
    )
