"""The lockfile as it is published: four files that say the same thing to four kinds of readers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airlock.errors import StateError
from airlock.lockfile.manifest import Manifest
from airlock.lockfile.pylock import Package

PYLOCK = "pylock.toml"
REQUIREMENTS = "requirements.txt"
CONSTRAINTS = "constraints.txt"
MANIFEST = "manifest.json"
NAMES = (PYLOCK, REQUIREMENTS, CONSTRAINTS, MANIFEST)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """The files by name, and what the manifest among them says.

    An incomplete artifact has only the constraints and the manifest, whose ``problem`` says why.
    """

    files: Mapping[str, bytes]
    manifest: Manifest


def assemble(manifest: Manifest, files: Mapping[str, bytes]) -> Artifact:
    """Return the artifact of ``files`` (without the manifest) and of ``manifest``, which gets their digests."""
    digests = {name: sha256(files[name]) for name in NAMES if name in files}
    complete = manifest.with_files(digests)
    ordered = {name: files[name] for name in NAMES if name in files}
    return Artifact(files=ordered | {MANIFEST: complete.to_json()}, manifest=complete)


def parse(files: Mapping[str, bytes], *, subject: str) -> Artifact:
    """Return the artifact that ``files`` are.

    Raises ``StateError`` when a file is missing or differs from what the manifest says about it.
    """
    if MANIFEST not in files:
        raise StateError(f"{subject}: there is no {MANIFEST}", hint="is this the place of a lockfile?")
    manifest = Manifest.from_json(files[MANIFEST], subject=f"{subject}: {MANIFEST}")
    for name, digest in manifest.files.items():
        if name not in files:
            raise StateError(f"{subject}: {name} is missing", hint="get all of the lockfile's files again")
        if sha256(files[name]) != digest:
            raise StateError(
                f"{subject}: {name} is damaged, or not of the same lockfile as {MANIFEST}",
                hint="get all of the lockfile's files again",
                reason="ChecksumMismatch",
            )
    kept = {name: files[name] for name in NAMES if name in manifest.files}
    return Artifact(files=kept | {MANIFEST: files[MANIFEST]}, manifest=manifest)


def requirements(packages: Sequence[Package], *, python: str, airflow: str) -> bytes:
    """Return ``requirements.txt``: the lock's pins, markers and hashes, and no address: any installer, any mirror."""
    lines = [
        f"# Python {python}, Apache Airflow {airflow}. Made by Airlock from what is installed in the deployment.",
        "# uv pip sync --require-hashes requirements.txt   or   pip install --require-hashes -r requirements.txt",
    ]
    for package in packages:
        marker = f" ; {package.marker}" if package.marker else ""
        hashes = sorted({f"{name}:{value}" for file in package.files for name, value in file.hashes.items()})
        lines.append(" \\\n".join([f"{package.name}=={package.version}{marker}", *(f"    --hash={h}" for h in hashes)]))
    return _text(lines)


def constraints(pins: Mapping[str, str], *, python: str, airflow: str) -> bytes:
    """Return ``constraints.txt``: the installed versions, for whoever adds a package of their own."""
    header = f"# Python {python}, Apache Airflow {airflow}. Made by Airlock from what is installed in the deployment."
    return _text([header, *(f"{name}=={version}" for name, version in sorted(pins.items()))])


def sha256(data: bytes) -> str:
    """Return the digest by which the manifest and the downloads name a file's content."""
    return hashlib.sha256(data).hexdigest()


def _text(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
