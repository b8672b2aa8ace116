"""The settings of the sandbox, the same for the tasks that ask for containers and for the proxy that lets them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from airlock.errors import ConfigError

SWITCH = "AIRLOCK_SANDBOX"
IMAGE = "AIRLOCK_IMAGE"
VOLUME = "AIRLOCK_SANDBOX_VOLUME"
MEMORY = "AIRLOCK_SANDBOX_MEMORY_MB"
CPUS = "AIRLOCK_SANDBOX_CPUS"
CANDIDATES = "AIRLOCK_CANDIDATES"
ENGINE = "AIRLOCK_DOCKER_HOST"
FOLDER = Path("/opt/airlock/sandbox")
"""Where tasks and sandboxes have the shared volume: a path in a request has to mean the same on both sides."""

_IMAGE_NAME = re.compile(r"[a-z0-9][a-z0-9._/:-]{0,200}(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?", re.ASCII)
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,100}")
_AIRFLOW = "apache/airflow:*"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a sandbox is made of: the image of the deployment, the shared volume by its name in the engine, and limits.

    ``candidates`` are patterns of further images, for rehearsals. ``engine`` is the address at which tasks reach an
    engine, as ``DOCKER_HOST`` would have it; that variable is left to the DAGs of users.
    """

    image: str
    volume: str
    memory_mb: int
    cpus: int
    candidates: tuple[str, ...]
    engine: str = "tcp://docker-proxy:2375"

    def allows(self, image: str) -> bool:
        """Tell whether a sandbox may be made of an image."""
        if not _IMAGE_NAME.fullmatch(image):
            return False
        return image == self.image or any(fnmatchcase(image, pattern) for pattern in self.candidates)


def is_on(environ: Mapping[str, str]) -> bool:
    """Tell whether revisions are validated in a container.

    Raises ``ConfigError`` when the setting is neither empty nor ``docker``.
    """
    value = environ.get(SWITCH, "")
    if value not in ("", "docker"):
        raise ConfigError(f"{SWITCH}: {value!r} is not known", hint="set it to docker, or leave it empty")
    return value == "docker"


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings that environment variables give.

    Raises ``ConfigError`` when one of them cannot be.
    """
    image, volume = environ.get(IMAGE) or "airlock:latest", environ.get(VOLUME) or "airlock-sandbox"
    if not _IMAGE_NAME.fullmatch(image):
        raise ConfigError(f"{IMAGE}: {image!r} is not the name of an image", hint="name it as docker images does")
    if not _VOLUME_NAME.fullmatch(volume):
        raise ConfigError(f"{VOLUME}: {volume!r} is not the name of a volume", hint="name it as docker volume ls does")
    candidates = environ.get(CANDIDATES) or f"{repository(image)}:*,{_AIRFLOW}"
    return Settings(
        image=image,
        volume=volume,
        memory_mb=_number(environ, MEMORY, 2048, smallest=512),
        cpus=_number(environ, CPUS, 2, smallest=1),
        candidates=tuple(pattern.strip() for pattern in candidates.split(",") if pattern.strip()),
        engine=environ.get(ENGINE) or Settings.engine,
    )


def repository(image: str) -> str:
    """Return the name of an image without its tag or digest."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def _number(environ: Mapping[str, str], name: str, default: int, *, smallest: int) -> int:
    value = environ.get(name) or str(default)
    if not value.isascii() or not value.isdigit() or int(value) < smallest:
        raise ConfigError(f"{name}: {value!r} is not a whole number of at least {smallest}", hint=f"default: {default}")
    return int(value)
