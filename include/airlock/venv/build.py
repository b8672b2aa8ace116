"""The making of the environment: the exact Python, the packages by hash, and the proof that the result is equal."""

from __future__ import annotations

import re
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from packaging.markers import default_environment
from packaging.pylock import Pylock, PylockValidationError

from airlock import process, uv
from airlock.errors import OperatorError, StateError
from airlock.lockfile import artifact, contents, distributions, drift
from airlock.lockfile.artifact import Artifact
from airlock.lockfile.distributions import canonical
from airlock.venv import interpreter, place as places
from airlock.venv.place import Place

_INSTALL_TIMEOUT_S = 1800
# All that a downloaded file may say: a pin, a marker and hashes. An option or an address would decide where packages
# come from.
_PIN = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+( ; ((?!--)[^\\#@])+)?( --hash=sha256:[0-9a-f]{64})+")
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Built:
    """The finished environment, and each point in which it is not the deployment's: none, if all is well."""

    place: Place
    python: str
    packages: int
    differences: tuple[str, ...]
    took_s: float


def build(lockfile: Artifact, root: Path, *, say: Say) -> Built:
    """Make ``root`` a virtual environment that equals ``lockfile``, whatever an earlier or interrupted run left there.

    Only ``root`` is written to. What is in it and not in the lockfile is removed. ``say`` is told what happens.

    Raises ``UsageError`` when ``root`` is somebody else's, ``OperatorError`` for an incomplete lockfile, a Python that
    cannot be had, or packages that cannot be installed.
    """
    started = time.monotonic()
    manifest = lockfile.manifest
    if manifest.problem is not None:
        raise OperatorError(
            f"the deployment's lockfile is incomplete: {manifest.problem.message}",
            hint=manifest.problem.hint,
            reason=manifest.problem.reason,
        )
    _check(lockfile.files[artifact.REQUIREMENTS])
    place = places.claim(root)
    is_usable = places.is_proven(place) and interpreter.version_of(place.python) == manifest.python
    # From here until the proof, the record says that the place is ours but not to be relied on: the next run repairs.
    places.record(place, proven=False, lock_sha256=manifest.files[artifact.PYLOCK])
    if not is_usable:
        _create(place, manifest.python, say=say)
    expected = expected_versions(lockfile)
    _tell_removals(place, manifest.python, expected, say=say)
    say(f"installing {len(expected)} packages by their hashes")
    _install(place, lockfile.files[artifact.REQUIREMENTS])
    say("comparing with the deployment")
    differences = prove(lockfile, place, expected)
    places.record(place, proven=not differences, lock_sha256=manifest.files[artifact.PYLOCK])
    return Built(
        place=place,
        python=manifest.python,
        packages=len(expected),
        differences=differences,
        took_s=time.monotonic() - started,
    )


def expected_versions(lockfile: Artifact) -> Mapping[str, str]:
    """Return what the lockfile's requirements give on this machine, by name: markers differ between systems."""
    python = lockfile.manifest.python
    environment: dict[str, str | AbstractSet[str]] = {
        **cast("dict[str, str]", default_environment()),
        "implementation_name": "cpython",
        "implementation_version": python,
        "platform_python_implementation": "CPython",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
    }
    try:
        lock = Pylock.from_dict(tomllib.loads(lockfile.files[artifact.PYLOCK].decode()))
    except (PylockValidationError, ValueError) as error:
        raise StateError(f"{artifact.PYLOCK} is none: {error}", hint="publish the lockfile again") from error
    return {
        package.name: str(package.version)
        for package in lock.packages
        if (package.wheels or package.sdist)
        and (package.marker is None or package.marker.evaluate(environment, context="lock_file"))
    }


def prove(lockfile: Artifact, place: Place, expected: Mapping[str, str]) -> tuple[str, ...]:
    """Return each point in which the environment in ``place`` is not the deployment's: Python, set, versions, bytes."""
    manifest = lockfile.manifest
    python = interpreter.version_of(place.python)
    wrong_python = [] if python == manifest.python else [f"Python {manifest.python} is expected, {python} is there"]
    installed = distributions.installed([place.packages(manifest.python)])
    found = {name: contents.of(distribution) for name, distribution in installed.items()}
    versions = drift.versions(expected, {name: canonical(it.version) for name, it in found.items()})
    files = drift.bytes_of(manifest.distributions, found, is_same_platform=False)
    return (*wrong_python, *versions, *files)


def _check(requirements: bytes) -> None:
    text = re.sub(r" *\\\n *", " ", requirements.decode("utf-8", "replace"))
    for line in text.splitlines():
        if line and not line.startswith("#") and not _PIN.fullmatch(line):
            raise OperatorError(
                f"{artifact.REQUIREMENTS} has a line that is no pin with hashes: {line[:80]!r}",
                hint="do not use this lockfile: somebody changed it, or another program made it",
                reason="NotAPin",
            )


def _create(place: Place, version: str, *, say: Say) -> None:
    say(f"looking for Python {version}")
    python = interpreter.find(version)
    say(f"making {place.root} with {python}")
    places.clear(place)
    argv = [uv.program(), "venv", "--quiet", "--no-project", "--allow-existing", "--python", str(python)]
    process.run([*argv, place.root], timeout_s=120, env=interpreter.environment())


def _tell_removals(place: Place, version: str, expected: Mapping[str, str], *, say: Say) -> None:
    additional = sorted(distributions.installed([place.packages(version)]).keys() - expected.keys())
    if additional:
        say(f"removing what is not in the lockfile: {', '.join(additional)}")


def _install(place: Place, requirements: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="airlock-venv-") as folder:
        # The working directory is empty, because uv would read the settings of a project around it.
        Path(folder, artifact.REQUIREMENTS).write_bytes(requirements)
        argv = [uv.program(), "pip", "sync", "--quiet", "--require-hashes", "--python", str(place.python)]
        completed = process.run(
            [*argv, artifact.REQUIREMENTS],
            timeout_s=_INSTALL_TIMEOUT_S,
            cwd=Path(folder),
            env=interpreter.environment(),
            check=False,
        )
    if completed.status != 0:
        raise process.failure(
            completed,
            hint="packages come from your own index: uv does not read pip's settings, set UV_DEFAULT_INDEX",
            reason="InstallFailed",
        )
