"""Measures in the child how long each import of a repository's file takes, so that a slow one can be named."""

from __future__ import annotations

import importlib.machinery
import os
import time
from types import ModuleType
from typing import Any

_clock = time.perf_counter
_TOLD = 10
_SHORTEST_S = 0.001


def watch(root: str) -> dict[str, float]:
    """Return a mapping that will hold, from now on, the seconds of each module that a file below ``root`` imports.

    A module's time includes what it imports itself, also where that stands for another file of the repository.
    """
    seconds: dict[str, float] = {}
    importers: list[bool] = []
    prefix = root + os.sep
    execute: Any = importlib.machinery.SourceFileLoader.exec_module

    def timed(loader: importlib.machinery.SourceFileLoader, module: ModuleType) -> None:
        counts = bool(importers) and importers[-1]
        importers.append(loader.path.startswith(prefix))
        started = _clock()
        try:
            execute(loader, module)
        finally:
            importers.pop()
            if counts:
                seconds[module.__name__] = seconds.get(module.__name__, 0.0) + _clock() - started

    importlib.machinery.SourceFileLoader.exec_module = timed  # type: ignore[assignment,method-assign]
    return seconds


def slowest(seconds: dict[str, float]) -> dict[str, float]:
    """Return the few slowest imports, slowest first."""
    told = sorted(seconds.items(), key=lambda item: -item[1])[:_TOLD]
    return {name: round(value, 3) for name, value in told if value >= _SHORTEST_S}
