"""Asks a starting Airflow how it is, over HTTP and without importing it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airlock.embedded.deployment import HOST, Deployment
from airlock.secret import ADMIN

_TIMEOUT_S = 10.0
_NAMES = {"scheduler": "scheduler", "dag_processor": "dag-processor", "triggerer": "triggerer"}


def unhealthy(deployment: Deployment, *, since: float) -> list[str]:
    """Return the components that are not healthy yet; a heartbeat before ``since`` (epoch seconds) does not count."""
    health = _call(deployment, "GET", "/api/v2/monitor/health")
    if health is None:
        return ["api-server", *_NAMES.values()]
    return [name for key, name in _NAMES.items() if not _is_healthy(health.get(key) or {}, key, since)]


def answers_tasks(deployment: Deployment) -> bool:
    """Tell whether the API that tasks use answers. The first call builds it, which takes seconds."""
    return _call(deployment, "GET", "/execution/health") is not None


def token(deployment: Deployment, password: str) -> str | None:
    """Log in; ``None`` while that does not work."""
    answer = _call(deployment, "POST", "/auth/token", body={"username": ADMIN, "password": password})
    return None if answer is None else str(answer["access_token"])


def has_parsed(deployment: Deployment, access_token: str, *, bundle: str, version: str, since: float) -> bool:
    """Tell whether the DAG processor has parsed a DAG of this bundle version since ``since`` (epoch seconds)."""
    path = f"/api/v2/dags?bundle_name={bundle}&bundle_version={version}&limit=100"
    answer = _call(deployment, "GET", path, access_token=access_token)
    return any(_epoch(dag.get("last_parsed_time")) >= since for dag in (answer or {}).get("dags", []))


def start_run(deployment: Deployment, access_token: str, dag_id: str) -> bool:
    """Start a run of a DAG with its usual parameters; tell whether Airflow took that."""
    body: dict[str, Any] = {"conf": {}, "logical_date": None}
    answer = _call(deployment, "POST", f"/api/v2/dags/{dag_id}/dagRuns", body=body, access_token=access_token)
    return answer is not None


def _is_healthy(component: Mapping[str, Any], key: str, since: float) -> bool:
    return component.get("status") == "healthy" and _epoch(component.get(f"latest_{key}_heartbeat")) >= since


def _epoch(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _call(
    deployment: Deployment, method: str, path: str, *, body: Mapping[str, Any] | None = None, access_token: str = ""
) -> Any:
    """Return the JSON that Airflow answers, ``None`` when it does not, or not with success."""
    connection = http.client.HTTPConnection(HOST, deployment.port, timeout=_TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    if access_token:
        headers["Authorization"] = f"Bearer {access_token}"
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status < http.client.MULTIPLE_CHOICES else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
