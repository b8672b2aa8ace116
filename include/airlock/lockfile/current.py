"""The lockfile of the environment that this process runs in."""

from __future__ import annotations

import os
import platform
import re
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, replace

from airlock import __version__
from airlock.errors import AirlockError, OperatorError
from airlock.lockfile import artifact, contents, dependencies, distributions, drift, origins, pylock, resolve, verify
from airlock.lockfile.artifact import Artifact
from airlock.lockfile.distributions import Distribution
from airlock.lockfile.manifest import Manifest, Problem

# They install, and are no part of what runs, unless something that is installed needs them.
_TOOLS = frozenset({"pip", "uv", "setuptools", "wheel"})
_AIRFLOW = "apache-airflow"
# The operator's own note of the image that runs: a container cannot see its own digest.
_IMAGE = "AIRLOCK_IMAGE"
_LOCAL = "installed from a folder or file of the deployment's machine"
_DIRECT = "installed from a URL: in pylock.toml, but requirements.txt cannot have it"
_PLACES = re.compile(r"[a-z][a-z0-9+.-]*://\S+|(?<![\w.])/[^\s`'\"]*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class _Environment:
    """What is installed, less the tools: all of it, what an index has, what has another address, what has none."""

    needed: dependencies.Needs
    every: Mapping[str, Distribution]
    indexed: Mapping[str, Distribution]
    direct: Mapping[str, Distribution]
    local: Mapping[str, Distribution]
    python: str
    airflow: str

    @property
    def lockable(self) -> Mapping[str, Distribution]:
        return {**self.indexed, **self.direct}


def make(previous: Artifact | None = None) -> Artifact:
    """Return the lockfile of this environment.

    The lock of ``previous`` is used again when it is complete and still the truth: then nothing is asked of an index,
    and the bytes are the same. Where no lock can be made, the artifact is incomplete and its manifest says why; what it
    does contain is always true.
    """
    environment = _look()
    manifest = _observe(environment)
    pins = {name: distribution.version for name, distribution in environment.every.items()}
    files = {
        artifact.CONSTRAINTS: artifact.constraints(pins, python=environment.python, airflow=environment.airflow),
    }
    try:
        files |= _still_true(previous, environment) or _lock(environment)
    except AirlockError as error:
        # Laptops read it: no address of an index, no path of this machine.
        problem = Problem(reason=error.reason, message=_PLACES.sub("…", error.message), hint=error.hint)
        manifest = replace(manifest, problem=problem)
    return artifact.assemble(manifest, files)


def observe() -> Manifest:
    """Return the facts about this environment; nothing is asked of an index, and no lock is made."""
    return _observe(_look())


def differences(from_: Artifact) -> tuple[str, ...]:
    """Return one sentence for each point in which this environment is not the one that a lockfile describes.

    Nothing is asked of an index. The lock itself is checked too, against what is installed.
    """
    environment = _look()
    expected, found = from_.manifest, _observe(environment)
    here = []
    if expected.python != found.python:
        here.append(f"Python {expected.python} is expected, this is {found.python}")
    here += drift.versions(_versions(expected), _versions(found))
    here += drift.bytes_of(
        expected.distributions, found.distributions, is_same_platform=expected.platform == found.platform
    )
    if not here and expected.is_complete:
        here += verify.differences(from_.files[artifact.PYLOCK], environment.lockable)
    return tuple(here)


def _versions(manifest: Manifest) -> dict[str, str]:
    return {name: it.version for name, it in manifest.distributions.items()}


def _still_true(previous: Artifact | None, environment: _Environment) -> dict[str, bytes] | None:
    if previous is None or not previous.manifest.is_complete or previous.manifest.environment != distributions.digest():
        return None
    if verify.differences(previous.files[artifact.PYLOCK], environment.lockable):
        return None
    return {name: previous.files[name] for name in (artifact.PYLOCK, artifact.REQUIREMENTS)}


def _lock(environment: _Environment) -> dict[str, bytes]:
    conflicts = dependencies.conflicts(environment.needed, environment.every)
    if conflicts:
        raise OperatorError(
            "the installed packages do not fit together: " + "; ".join(conflicts),
            hint="install versions that fit together; a resolver never makes this set, so it cannot be locked",
            reason="Inconsistent",
        )
    indexed = environment.indexed
    pins = {name: distribution.version for name, distribution in indexed.items()}
    answer = resolve.resolve(dependencies.roots({name: environment.needed[name] for name in indexed}), pins)
    left_out = _TOOLS - environment.every.keys()
    locked = pylock.packages(answer, python=environment.python, left_out=left_out)
    direct = tuple(
        pylock.Package(name=name, version=distribution.version, direct=origins.of(distribution))
        for name, distribution in environment.direct.items()
    )
    rendered = pylock.render((*locked, *direct), python=environment.python, airflow=environment.airflow)
    verify.check(rendered, environment.lockable)
    return {
        artifact.PYLOCK: rendered,
        artifact.REQUIREMENTS: artifact.requirements(locked, python=environment.python, airflow=environment.airflow),
    }


def _look() -> _Environment:
    installed = distributions.installed()
    needed = dependencies.needs(installed)
    wanted = {distributions.normalise(need.name) for needs in needed.values() for need in needs}
    every = {name: it for name, it in installed.items() if name not in _TOOLS or name in wanted}
    kinds = {name: origins.of(distribution).kind for name, distribution in every.items()}
    return _Environment(
        needed={name: needed[name] for name in every},
        every=every,
        indexed={name: it for name, it in every.items() if kinds[name] == "index"},
        direct={name: it for name, it in every.items() if kinds[name] in ("vcs", "archive")},
        local={name: it for name, it in every.items() if kinds[name] == "local"},
        python=platform.python_version(),
        airflow=every[_AIRFLOW].version if _AIRFLOW in every else "",
    )


def _observe(environment: _Environment) -> Manifest:
    return Manifest(
        environment=distributions.digest(),
        python=environment.python,
        airflow=environment.airflow,
        platform={
            "implementation": platform.python_implementation(),
            "system": platform.system(),
            "machine": platform.machine(),
            "tag": sysconfig.get_platform(),
            "libc": " ".join(platform.libc_ver()).strip(),
        },
        observations={"airlock": __version__, "image": os.environ.get(_IMAGE)},
        not_reproducible=dict.fromkeys(environment.local, _LOCAL) | dict.fromkeys(environment.direct, _DIRECT),
        distributions={name: contents.of(distribution) for name, distribution in environment.every.items()},
    )
