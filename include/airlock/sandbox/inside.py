"""What runs in a sandbox first: shows who it is, tells about the environment if asked, and becomes the warm process.

Run as ``python -P -m airlock.sandbox.inside PLACE KEY``; ``PLACE`` is the folder of one validation in the shared
volume: its ``start.json`` has the environment variables, its ``control`` is the socket of the task that waits.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from airlock.errors import AirlockError

LENGTH_BYTES = 4
LOCK = Path("/opt/airlock/lock")
"""Where an image of Airlock keeps the lockfile that was made when it was built."""


def main() -> None:
    """Say hello on the control socket, with the key and what was asked for, and start the warm process on it."""
    place, key = Path(sys.argv[1]), sys.argv[2]
    start = json.loads((place / "start.json").read_text(encoding="utf-8"))
    hello: dict[str, Any] = {"key": key, "lockfile": lockfile() if start["lockfile"] else None}
    data = json.dumps(hello).encode()
    control = socket.socket(socket.AF_UNIX)
    control.connect(str(place / "control"))
    control.sendall(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    control.set_inheritable(True)
    os.execve(
        sys.executable,
        [sys.executable, "-P", "-m", "airlock.validate.warm", str(control.fileno())],
        os.environ | start["environ"],
    )


def lockfile() -> dict[str, str]:
    """Return the files of this image's lockfile: the one it was built with where that is the truth, else a new one.

    There is no network in a sandbox: a new one is incomplete, and its manifest says so.
    """
    from airlock.lockfile import current, folder

    os.environ["UV_OFFLINE"] = "1"  # otherwise it tries several times
    try:
        built = folder.read(LOCK)
    except AirlockError:
        built = None
    return {name: data.decode() for name, data in current.make(built).files.items()}


if __name__ == "__main__":
    main()
