"""What an import depends on beside its tree: told by the warm process, which shares it with all its children.

Installed packages are not looked at here: the judge knows the digest of the environment.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from airlock.validate import installation
from airlock.validate.fingerprint import digest

# They are different every time, and what they stand for is the same.
_PRIVATE = re.compile("TMPDIR|AIRFLOW_CONFIG|PWD|OLDPWD|SHLVL|_|TRACEPARENT|_AIRFLOW_PROCESS_CONTEXT")


def environ() -> dict[str, str]:
    """Return a digest of each environment variable."""
    return {name: "private" if _PRIVATE.fullmatch(name) else digest(value) for name, value in os.environ.items()}


def common() -> str:
    """Return a digest of Airflow's parse configuration, and of the code outside installed packages that is loaded."""
    settings = sorted(item for item in os.environ.items() if item[0].startswith("AIRFLOW__"))
    config = Path(os.environ["AIRFLOW_CONFIG"]).read_bytes()
    return digest(repr((sys.version, settings, digest(config), sorted(set(_foreign_code())))))


def _foreign_code() -> Iterator[tuple[str, str]]:
    installed = installation.folders()
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and not path.startswith(installed):
            yield from _digest(Path(path))
    from airflow import settings

    if settings.PLUGINS_FOLDER:
        for file in Path(settings.PLUGINS_FOLDER).rglob("*.py"):
            yield from _digest(file)


def _digest(path: Path) -> Iterator[tuple[str, str]]:
    try:
        yield str(path), digest(path.read_bytes())
    except OSError:  # a path of its own kind, as inside an archive
        yield str(path), "unreadable"
