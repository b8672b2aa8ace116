"""The exact Python of a lockfile, found on this machine or installed by uv."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from airlock import process, uv
from airlock.errors import AirlockError, OperatorError

_ASK = "import platform; print(platform.python_implementation(), platform.python_version())"
# What somebody set up for another environment must not decide what is installed into this one.
_OTHERS = frozenset(
    {"CONDA_PREFIX", "PIP_CONSTRAINT", "PYTHONHOME", "PYTHONPATH", "UV_BUILD_CONSTRAINT", "UV_CONSTRAINT", "UV_EXCLUDE"}
    | {"UV_EXCLUDE_NEWER", "UV_NO_DEPS", "UV_OVERRIDE", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"}
    | {"UV_SYSTEM_PYTHON", "UV_TARGET", "UV_WORKING_DIRECTORY", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
)


def find(version: str) -> Path:
    """Return a CPython that is exactly ``version`` (X.Y.Z); one that is not on this machine is installed by uv.

    Raises ``OperatorError`` (``PythonMissing``) when it cannot be had.
    """
    for candidate in _candidates(version):
        if version_of(candidate) == version:
            return candidate
    return _installed_by_uv(version)


def version_of(python: Path) -> str | None:
    """Return the full version of a CPython, ``None`` when ``python`` cannot be run or is no CPython."""
    try:
        told = process.run([python, "-I", "-c", _ASK], timeout_s=30, env=environment()).text.split()
    except AirlockError:
        return None
    return told[1] if len(told) == 2 and told[0] == "CPython" else None


def environment() -> Mapping[str, str]:
    """Return the environment variables for uv and for a Python, without what belongs to other environments.

    The user's own index and proxy settings stay: packages come from where the user gets packages.
    """
    return {name: value for name, value in os.environ.items() if name not in _OTHERS}


def _candidates(version: str) -> Iterator[Path]:
    # A shim of pyenv on PATH refuses to run when the version is not a global one, so the versions are looked at first.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield pyenv / "versions" / version / "bin" / "python"
    short = ".".join(version.split(".")[:2])
    yield Path(sys.base_prefix, "bin", f"python{short}")  # what this very command runs on, when it is the one
    found = _uv("python", "find", "--system", "--no-python-downloads", version)
    if found is not None:
        yield found
    for name in (f"python{short}", "python3", "python"):
        if (path := shutil.which(name)) is not None:
            yield Path(path)


def _installed_by_uv(version: str) -> Path:
    argv = [uv.program(), "python", "install", "--no-bin", version]
    completed = process.run(argv, timeout_s=600, env=environment(), check=False)
    found = _uv("python", "find", "--system", "--no-python-downloads", version) if completed.status == 0 else None
    if found is not None and version_of(found) == version:
        return found
    told = process.redact(completed.stderr.decode("utf-8", "replace")).strip().splitlines()
    why = told[-1] if told else "no reason told"
    raise OperatorError(
        f"Python {version} is not on this machine, and uv could not install it: {why}",
        hint=f"a newer uv knows newer Pythons (uv self update); or install it with pyenv install {version}",
        reason="PythonMissing",
    )


def _uv(*arguments: str) -> Path | None:
    completed = process.run([uv.program(), *arguments], timeout_s=60, env=environment(), check=False)
    return Path(completed.text) if completed.status == 0 and completed.text else None
