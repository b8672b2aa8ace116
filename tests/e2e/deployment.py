"""A real deployment to tell stories about: what a user can do to it, and what a user can see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.upstream import Upstream

from airlock import project


@dataclass(kw_only=True)
class Deployment(ABC):
    """A deployment that follows ``upstream``; every command is the one that a user types."""

    upstream: Upstream
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def up(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Start it in the background; it is ready then."""

    @abstractmethod
    def down(self) -> None:
        """Stop it, and leave nothing running."""

    @abstractmethod
    def airlock(self, *args: str, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        """Run a command of Airlock on this deployment."""

    @abstractmethod
    def python(self, script: str) -> str:
        """Run a script with the deployment's own Python and return what it printed."""

    @abstractmethod
    def password(self) -> str:
        """The administrator's password, from where the deployment keeps it."""

    def status(self) -> dict[str, Any]:
        """What ``airlock status --json`` says."""
        document: dict[str, Any] = json.loads(self.airlock("status", "--json").stdout)
        return document

    def source(self) -> dict[str, Any]:
        """The status of the only source."""
        source: dict[str, Any] = self.status()["sources"][0]
        return source

    def api(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call Airflow's REST API as the administrator."""
        credentials = {"username": "admin", "password": self.password()}
        login = httpx.post(f"{self.url}/auth/token", json=credentials, timeout=60)
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        return httpx.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=60)

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """A DAG as Airflow lists it, ``None`` when it does not."""
        answer = self.api("GET", f"/api/v2/dags/{dag_id}")
        return answer.json() if answer.is_success else None

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG, newest first."""
        found: list[dict[str, Any]] = self.api(
            "GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-run_after&limit=100"
        ).json()["dag_runs"]
        return found

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Trigger a DAG through the REST API and return the run's id."""
        answer = self.api("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"conf": conf or {}, "logical_date": None})
        assert answer.is_success, answer.text
        return str(answer.json()["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a run."""
        return str(self.api("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").json()["state"])

    def log(self, dag_id: str, run_id: str, task_id: str, *, attempt: int = 1) -> str:
        """The log of one try of a task."""
        return self.api("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}").text

    def wait_for_live(self, revision: str, *, timeout_s: float = 90) -> None:
        """Wait until a revision is live and Airflow was seen to have it."""

        def is_live() -> bool:
            live = self.source()["live"]
            return bool(live and live["revision"] == revision and live["confirmed"])

        wait_until(is_live, f"{revision} to be live", timeout_s=timeout_s)

    def wait_for_verdict(self, revision: str, *, timeout_s: float = 90) -> dict[str, Any]:
        """Wait until a revision was judged and return the verdict."""

        def judged() -> bool:
            last = self.source()["last_verdict"]
            return bool(last and last["revision"] == revision)

        wait_until(judged, f"a verdict on {revision}", timeout_s=timeout_s)
        verdict: dict[str, Any] = self.source()["last_verdict"]
        return verdict


@dataclass(kw_only=True)
class Embedded(Deployment):
    """A deployment on this machine, with its state directory; ``variables`` are added to the user's environment."""

    state: Path
    variables: dict[str, str]

    def up(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.airlock("up", "--detach", "--repo", self.upstream.url, "--port", str(self.port), *args)

    def down(self) -> None:
        self.airlock("down")

    def airlock(self, *args: str, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        command, *rest = args
        return subprocess.run(
            [str(project.ROOT / "airlock"), command, "--state", str(self.state), *rest],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )

    def python(self, script: str) -> str:
        return subprocess.run(
            [sys.executable, "-P", "-"], input=script, check=True, capture_output=True, text=True, timeout=120
        ).stdout

    def password(self) -> str:
        return (self.state / "secrets" / "admin-password").read_text().strip()


def wait_until(holds: Callable[[], bool], what: str, *, timeout_s: float) -> None:
    """Return when something holds; fail the test when it does not within ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.5)
