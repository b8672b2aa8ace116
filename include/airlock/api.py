"""Airflow's REST API, as far as the command line needs it: log in, trigger a DAG, wait for the run, read its result."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from airlock import source as sources
from airlock.embedded import deployment as deployments, layout
from airlock.errors import OperatorError, TransientError, UsageError
from airlock.secret import ADMIN
from airlock.state import State

_TIMEOUT_S = 30.0
_POLL_S = 0.5
_ENDED = {"success", "failed"}


@dataclass(frozen=True, kw_only=True)
class Api:
    """One Airflow and a token for it."""

    url: str
    token: str = field(repr=False)

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run of a DAG with these parameters and return its id.

        Raises ``UsageError`` when Airflow refuses the parameters, ``OperatorError`` when it refuses otherwise.
        """
        body = {"conf": dict(conf), "logical_date": None}
        return str(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def wait(self, dag_id: str, run_id: str, *, timeout_s: float) -> str:
        """Wait until a run has ended and return its state, ``success`` or ``failed``.

        Raises ``TransientError`` after ``timeout_s`` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            state = str(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])
            if state in _ENDED:
                return state
            if time.monotonic() > deadline:
                raise TransientError(
                    f"run {run_id} of {dag_id} is still {state} after {timeout_s:g} s", hint="look at it in the UI"
                )
            time.sleep(_POLL_S)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        """Return what a task of a run told under a key, ``None`` when it told nothing."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        with suppress(UsageError):
            return self._call("GET", f"{path}?deserialize=true")["value"]
        return None

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            answer = httpx.request(
                method,
                f"{self.url}{path}",
                json=body,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=_TIMEOUT_S,
            )
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error
        if answer.is_success:
            return answer.json()
        detail = _detail(answer)
        if answer.status_code in (400, 404, 409, 422):
            raise UsageError(
                f"Airflow refused {method} {path}: {detail}", hint="check the source's name and the parameters"
            )
        raise OperatorError(
            f"Airflow answered {answer.status_code} to {method} {path}: {detail}",
            hint="look at the log of the api-server",
        )


def connect(state: State, environ: Mapping[str, str] = os.environ) -> Api:
    """Log in to a deployment: that of ``AIRLOCK_URL``, with ``AIRLOCK_TOKEN`` or the password in the file
    ``AIRLOCK_PASSWORD_FILE``, or the embedded one of this state directory.

    Raises ``UsageError`` when there is none, ``OperatorError`` when it does not let us in or does not answer.
    """
    if url := environ.get("AIRLOCK_URL"):
        url = url.rstrip("/")
        if token := environ.get("AIRLOCK_TOKEN"):
            return Api(url=url, token=token)
        if file := environ.get("AIRLOCK_PASSWORD_FILE"):
            hint = "set AIRLOCK_TOKEN; POST /auth/token gives one"
            return _log_in(url, Path(file), user=environ.get("AIRLOCK_USER", ADMIN), hint=hint)
        raise UsageError("AIRLOCK_URL is set and AIRLOCK_TOKEN is not", hint="get a token with POST /auth/token")
    place = layout.of(state)
    deployed = deployments.read(place)
    if deployed is None:
        raise UsageError(
            f"there is no deployment in {state.root}", hint="start one with airlock up, or name its --state DIR"
        )
    return _log_in(deployed.url, place.password, user=ADMIN, hint="airlock down, then airlock up")


def health(url: str) -> dict[str, str]:
    """Return the status of each component of an Airflow, ``healthy`` or not, and nothing when it does not answer."""
    try:
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=_TIMEOUT_S)
        found = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, ValueError):
        return {}
    return {name.replace("_", "-"): str(component["status"]) for name, component in found.items() if component}


def sync_dag_id(source: sources.Source) -> str:
    """Return the id of the DAG that syncs a source."""
    return f"airlock_sync_{source.name}"


def release_dag_id(source: sources.Source) -> str:
    """Return the id of the DAG that rolls a source back, holds and resumes it."""
    return f"airlock_release_{source.name}"


def _log_in(url: str, file: Path, *, user: str, hint: str) -> Api:
    try:
        body = {"username": user, "password": file.read_text("utf-8").strip()}
        answer = httpx.post(f"{url}/auth/token", json=body, timeout=_TIMEOUT_S)
    except OSError as error:
        raise OperatorError(
            f"{file} cannot be read: {error.strerror}", hint="run as the user that started the deployment"
        ) from error
    except httpx.HTTPError as error:
        raise _unreachable(url, error) from error
    if not answer.is_success:
        raise OperatorError(f"{url} refused the login of {user}: {_detail(answer)}", hint=hint)
    return Api(url=url, token=str(answer.json()["access_token"]))


def _unreachable(url: str, error: httpx.HTTPError) -> OperatorError:
    return OperatorError(
        f"{url} does not answer: {error}",
        hint="is it running? airlock status tells, airlock up starts it",
        reason="NotRunning",
    )


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))
    except (ValueError, AttributeError):
        return answer.text[:500]
