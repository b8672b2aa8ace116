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
from airlock.validate.fingerprint import Fingerprints, digest

# They are different every time, and what they stand for is the same.
_PRIVATE = re.compile("TMPDIR|AIRFLOW_CONFIG|PWD|OLDPWD|SHLVL|_|TRACEPARENT|_AIRFLOW_PROCESS_CONTEXT")

_LITERAL = re.compile(rb"""(?<=["'])[^"'\n\\]{1,255}(?=["'])""")
_OWN = Path(__file__).parents[1]


def environ() -> dict[str, str]:
    """Return a digest of each environment variable."""
    return {name: "private" if _PRIVATE.fullmatch(name) else digest(value) for name, value in os.environ.items()}


def common() -> str:
    """Return a digest of Airflow's parse configuration, and of the code outside installed packages that is loaded.

    Such code runs before anybody watches: what its text names in quotes, environment variables and files beside it or
    by an absolute path, counts as read by it.
    """
    settings = sorted(item for item in os.environ.items() if item[0].startswith("AIRFLOW__"))
    config = Path(os.environ["AIRFLOW_CONFIG"]).read_bytes()
    code: set[tuple[str, str]] = set()
    for path in set(_foreign_code()):
        try:
            text = path.read_bytes()
        except OSError:  # a path of its own kind, as inside an archive
            code.add((str(path), "unreadable"))
            continue
        code.add((str(path), digest(text)))
        if not path.is_relative_to(_OWN):
            code.update(_named(path.parent, text))
    return digest(repr((sys.version, settings, digest(config), sorted(code))))


def _named(folder: Path, text: bytes) -> Iterator[tuple[str, str]]:
    variables, files = environ(), Fingerprints("", {})
    for literal in set(_LITERAL.findall(text)):
        name = os.fsdecode(literal)
        if name in variables:
            yield name, variables[name]
        elif (state := files.of(("outside", str(folder / name)))).startswith(("file ", "link ")):
            yield str(folder / name), state


def _foreign_code() -> Iterator[Path]:
    installed = installation.folders()
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and not path.startswith(installed):
            yield Path(path)
    from airflow import settings

    if settings.PLUGINS_FOLDER:
        yield from Path(settings.PLUGINS_FOLDER).rglob("*.py")
