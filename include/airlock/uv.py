"""Where the ``uv`` program is: in this environment, else on PATH."""

from __future__ import annotations

import importlib
import shutil

from airlock.errors import OperatorError


def program() -> str:
    """Return the path of uv.

    Raises ``OperatorError`` (``ProgramMissing``) when there is none.
    """
    try:
        found = importlib.import_module("uv").find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if not found:
        raise OperatorError(
            "uv is not installed",
            hint="install the package uv into this environment, or put the program uv on PATH",
            reason="ProgramMissing",
        )
    return str(found)
