"""The processes of an embedded deployment, whoever their parent is."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def of_state(state: Path) -> list[psutil.Process]:
    """Return every process of a deployment, by the state directory in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIRLOCK_STATE") == str(state) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
