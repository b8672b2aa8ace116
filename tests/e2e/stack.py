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

from tests.e2e.deployment import Deployment

from airlock import project

AIRFLOW_SERVICES = ("api-server", "dag-processor", "scheduler", "triggerer", "worker")
_UP_S = 600


@dataclass(kw_only=True)
class Stack(Deployment):
    """The services of docker-compose.yaml under a project name of their own; ``settings`` is what stands in ``.env``.

    ``environment`` is added to Airflow's services, ``volumes`` to the volumes, as by a docker-compose.override.yaml.
    """

    folder: Path
    name: str
    settings: dict[str, str]
    options: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, Any] = field(default_factory=dict)
    _password: str = ""

    def compose(
        self, *args: str, stdin: str = "", timeout_s: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose`` on this stack."""
        done = subprocess.run(
            ["docker", "compose", *args],
            cwd=project.ROOT,
            env={**os.environ, **self.variables()},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        assert done.returncode == 0 or not check, f"{' '.join(args)}\n{done.stdout}\n{done.stderr}"
        return done

    def variables(self) -> dict[str, str]:
        """The environment in which Compose means this stack."""
        override = self.folder / "override.json"
        override.parent.mkdir(parents=True, exist_ok=True)
        changed = {"services": {name: {"environment": self.environment} for name in AIRFLOW_SERVICES}}
        override.write_text(json.dumps(changed | ({"volumes": self.volumes} if self.volumes else {})))
        files = f"{project.ROOT / 'docker-compose.yaml'}{os.pathsep}{override}"
        return {**self.settings, "COMPOSE_PROJECT_NAME": self.name, "COMPOSE_FILE": files}

    def up(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.compose(
            "up", "--detach", "--wait", "--quiet-pull", *self.options, *args, timeout_s=_UP_S, check=False
        )

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "3", "--remove-orphans", timeout_s=180)

    def airlock(self, *args: str, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        if args[0] == "venv":
            return self._venv(*args, timeout_s=timeout_s)
        return self.compose("exec", "-T", "api-server", "airlock", *args, timeout_s=timeout_s, check=False)

    def python(self, script: str) -> str:
        return self.compose("exec", "-T", "api-server", "python", "-P", "-", stdin=script).stdout

    def _venv(self, *args: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run ``airlock venv`` on a laptop with the same Python: a new container, with the UI on its loopback."""
        (server,) = self.containers("api-server")
        words = [word.replace(self.url, "http://127.0.0.1:8080") for word in args]
        options = ["--network", f"container:{server['Id']}", "--env", "AIRLOCK_PASSWORD", "--entrypoint", "airlock"]
        return subprocess.run(
            ["docker", "run", "--rm", *options, self.settings["AIRLOCK_IMAGE"], *words],
            env={**os.environ, "AIRLOCK_PASSWORD": self.password()},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def password(self) -> str:
        if not self._password:
            self._password = self.compose("exec", "-T", "api-server", "cat", "secrets/admin-password").stdout
        return self._password

    def forget_password(self) -> None:
        """Have the password read again the next time."""
        self._password = ""

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


def docker(*args: str, timeout_s: float = 120) -> str:
    """Run ``docker`` and return what it printed."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, f"docker {' '.join(args)}\n{done.stderr}"
    return done.stdout


@functools.cache
def engine() -> str:
    """The version of the engine; fails where there is none, since these tests were asked for."""
    return docker("version", "--format", "{{.Server.Version}}").strip()
