"""The one container that a sandbox can be, as the body of ``POST /containers/create``.

``body`` gives exactly what DockerOperator sends for it, so that the proxy compares instead of interpreting; a contract
test holds the two together. Whoever wants another container has to change this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airlock.sandbox.settings import FOLDER, Settings

ENTRYPOINT = ["dumb-init", "--"]
TMPFS = {"/tmp": "rw,nosuid,nodev,noexec,size=512m,mode=1777"}  # noqa: S108 - it is the container's own
PIDS = 512
NETWORK = "none"
SECURITY = ["no-new-privileges:true"]
_CPU_SHARES = 1024
_PLACE = re.compile(r"[a-z0-9_-]{4,64}(/[a-z0-9_-]{4,64})?", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{32,64}", re.ASCII)
_USER = re.compile(r"[1-9][0-9]{0,9}:[0-9]{1,10}", re.ASCII)
_SMALLEST_MEMORY = 256 << 20


class Unlike(Exception):
    """A body is another one than that of a sandbox; the message says where."""


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """What differs from one sandbox to the next.

    ``place`` is the folder below ``FOLDER`` that belongs to one validation; ``key`` is the secret with which the
    container shows that it is the one that was asked for; ``user`` is ``uid:gid``, never root; ``memory`` is in bytes.
    """

    image: str
    place: str
    key: str
    user: str
    volume: str
    memory: int
    nano_cpus: int

    @property
    def command(self) -> list[str]:
        """The program in the container and its arguments."""
        return ["python", "-P", "-m", "airlock.sandbox.inside", f"{FOLDER}/{self.place}", self.key]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the program starts with, beside those of the image; everything else is in the volume."""
        return {"PYTHONPATH": f"{FOLDER}/{self.place}/package"}


def body(sandbox: Sandbox) -> dict[str, Any]:
    """Return the request for a sandbox."""
    return {
        "ExposedPorts": {},
        "User": sandbox.user,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "Env": [f"{name}={value}" for name, value in sandbox.environment.items()],
        "Cmd": sandbox.command,
        "Image": sandbox.image,
        "NetworkDisabled": False,
        "Entrypoint": ENTRYPOINT,
        "WorkingDir": "/tmp",  # noqa: S108 - it is the container's own
        "HostConfig": {
            "Memory": sandbox.memory,
            "MemorySwap": sandbox.memory,
            "ReadonlyRootfs": True,
            "NetworkMode": NETWORK,
            "CapDrop": ["ALL"],
            "SecurityOpt": SECURITY,
            "PortBindings": {},
            "Ulimits": [],
            "LogConfig": {"Type": None, "Config": {}},
            "CpuShares": _CPU_SHARES,
            "NanoCpus": sandbox.nano_cpus,
            "Tmpfs": TMPFS,
            "PidsLimit": PIDS,
            "Mounts": [{"Target": str(FOLDER), "Source": sandbox.volume, "Type": "volume", "ReadOnly": True}],
        },
    }


def read(given: Any, settings: Settings) -> Sandbox:
    """Return the sandbox that a decoded body asks for.

    Raises ``Unlike`` when it asks for anything else, or for more than ``settings`` allow.
    """
    sandbox = Sandbox(
        image=_text(given, "Image"),
        place=_text(given, "Cmd", 4).removeprefix(f"{FOLDER}/"),
        key=_text(given, "Cmd", 5),
        user=_text(given, "User"),
        volume=settings.volume,
        memory=_whole(given, "HostConfig", "Memory"),
        nano_cpus=_whole(given, "HostConfig", "NanoCpus"),
    )
    if not settings.allows(sandbox.image):
        raise Unlike(f"image {sandbox.image!r} is not allowed; AIRLOCK_CANDIDATES names those that are")
    for pattern, value, what in ((_PLACE, sandbox.place, "place"), (_KEY, sandbox.key, "key")):
        if not pattern.fullmatch(value):
            raise Unlike(f"Cmd: {what} {value!r} is not one")
    if not _USER.fullmatch(sandbox.user):
        raise Unlike(f"User: {sandbox.user!r} is not a number other than 0, and a group")
    if not _SMALLEST_MEMORY <= sandbox.memory <= settings.memory_mb << 20:
        raise Unlike(f"HostConfig.Memory: {sandbox.memory} is not within the limits")
    if not 0 < sandbox.nano_cpus <= settings.cpus * 10**9:
        raise Unlike(f"HostConfig.NanoCpus: {sandbox.nano_cpus} is not within the limits")
    if difference := _difference(body(sandbox), given):
        raise Unlike(difference)
    return sandbox


def _difference(expected: Any, given: Any, where: str = "") -> str:
    if isinstance(expected, Mapping) and isinstance(given, Mapping):
        for name in sorted({*expected, *given}):
            place = f"{where}.{name}" if where else str(name)
            if name not in expected:
                return f"{place} is not allowed"
            if name not in given:
                return f"{place} is missing"
            if difference := _difference(expected[name], given[name], place):
                return difference
        return ""
    return "" if type(expected) is type(given) and expected == given else f"{where} has to be {expected!r}"


def _text(given: Any, *path: str | int) -> str:
    value = _at(given, *path)
    if not isinstance(value, str):
        raise Unlike(f"{'.'.join(map(str, path))} is not a text")
    return value


def _whole(given: Any, *path: str | int) -> int:
    value = _at(given, *path)
    if type(value) is not int:
        raise Unlike(f"{'.'.join(map(str, path))} is not a whole number")
    return value


def _at(given: Any, *path: str | int) -> Any:
    for step in path:
        try:
            given = given[step]
        except (KeyError, IndexError, TypeError):
            raise Unlike(f"{'.'.join(map(str, path))} is missing") from None
    return given
