"""The compose stack as a deployment to tell stories about, on a real Docker engine."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.deployment import Deployment, launcher

from airlock import project

AIRFLOW_SERVICES = ("api-server", "dag-processor", "scheduler", "triggerer", "worker")
_UP_S = 600


@dataclass(kw_only=True)
class Stack(Deployment):
    """The services of docker-compose.yaml under a project name of their own; ``settings`` is what stands in ``.env``.

    ``environment`` is added to Airflow's services, as a user's docker-compose.override.yaml would.
    """

    folder: Path
    name: str
    settings: dict[str, str]
    options: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def compose(self, *args: str, timeout_s: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose`` on this stack."""
        self._write()
        words = ["docker", "compose", "--project-name", self.name, "--env-file", str(self.folder / ".env")]
        words += ["--project-directory", str(project.ROOT), "-f", str(project.ROOT / "docker-compose.yaml")]
        words += ["-f", str(self.folder / "override.json"), *args]
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0 or not check, f"{' '.join(args)}\n{done.stdout}\n{done.stderr}"
        return done

    def up(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.compose(
            "up", "--detach", "--wait", "--quiet-pull", *self.options, *args, timeout_s=_UP_S, check=False
        )

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "3", "--remove-orphans", timeout_s=180)

    def airlock(self, *args: str, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        if args[0] == "venv":  # the laptop's command
            return launcher(args, environ={**os.environ, "AIRLOCK_PASSWORD": self.password()}, timeout_s=timeout_s)
        return self.compose("exec", "-T", "api-server", "airlock", *args, timeout_s=timeout_s, check=False)

    def password(self) -> str:
        return _password(self)

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """The running containers of some services, or of all, as ``docker inspect`` tells them."""
        ids = self.compose("ps", "--quiet", *services).stdout.split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return found

    def services(self) -> list[str]:
        """The services that run."""
        return self.compose("ps", "--services").stdout.split()

    def is_healthy(self, *services: str) -> bool:
        """Tell whether every container of some services, or of all, runs and is healthy."""
        found = self.containers(*services)
        return bool(found) and all(
            container["State"]["Running"] and container["State"].get("Health", {}).get("Status", "healthy") == "healthy"
            for container in found
        )

    def wait_until_healthy(self, *services: str, timeout_s: float = 300) -> None:
        """Wait until some services, or all, are healthy."""
        deadline = time.monotonic() + timeout_s
        while not self.is_healthy(*services):
            assert time.monotonic() < deadline, self.compose("ps", "--all").stdout
            time.sleep(1)

    def logs(self, *services: str) -> str:
        """What services printed."""
        return self.compose("logs", "--no-color", "--no-log-prefix", *services).stdout

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{key}={value}" for key, value in self.settings.items()]
        (self.folder / ".env").write_text("\n".join(lines) + "\n")
        override = {"services": {name: {"environment": self.environment} for name in AIRFLOW_SERVICES}}
        (self.folder / "override.json").write_text(json.dumps(override))


def docker(*args: str, timeout_s: float = 120) -> str:
    """Run ``docker`` and return what it printed."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, f"docker {' '.join(args)}\n{done.stderr}"
    return done.stdout


@functools.cache
def engine() -> str:
    """The version of the engine; fails where there is none, since these tests were asked for."""
    return docker("version", "--format", "{{.Server.Version}}").strip()


_passwords: dict[str, str] = {}


def _password(stack: Stack) -> str:
    if stack.name not in _passwords:
        _passwords[stack.name] = stack.compose("exec", "-T", "api-server", "cat", "secrets/admin-password").stdout
    return _passwords[stack.name]
