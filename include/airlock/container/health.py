"""``python -m airlock.container.health SERVICE``: is this container's service well? Exit status 0 yes; 1 no, and why.

Cheap enough for every ten seconds: no import of Airflow, which alone takes seconds. A component lives when its own row
in Airflow's table ``job`` has a fresh heartbeat; the monitoring page would tell only that some instance does.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.request
from collections.abc import Callable

from airlock import confirm, mirror as mirrors, pointer, source as sources, state as states
from airlock.container import place
from airlock.errors import AirlockError

_TIMEOUT_S = 8
_FRESH_S = 60
_API = "http://127.0.0.1:8080"
_FLOWER = "http://127.0.0.1:5555/healthcheck"


def main() -> int:
    """Say what is wrong with the named service, if anything is."""
    name = sys.argv[1]
    try:
        complaint = CHECKS[name]()
    except Exception as error:  # noqa: BLE001 - whatever is wrong here is the answer
        complaint = f"{type(error).__name__}: {error}"
    print(f"{name}: {complaint}" if complaint else f"{name}: healthy")
    return 1 if complaint else 0


def api_server() -> str:
    """Tasks can talk to it, and it has its database. The first request builds the API of the tasks: seconds."""
    _get(f"{_API}/execution/health")
    database = json.loads(_get(f"{_API}/api/v2/monitor/health"))["metadatabase"]["status"]
    return "" if database == "healthy" else f"the database is {database}"


def component(job_type: str) -> str:
    """The job of this container beats."""
    import psycopg2

    address = place.secret("sql-alchemy-conn").read_text("utf-8").strip().replace("+psycopg2", "")
    with psycopg2.connect(address, connect_timeout=_TIMEOUT_S) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM now() - max(latest_heartbeat)) FROM job"
            " WHERE job_type = %s AND hostname = %s AND state = 'running'",
            (job_type, socket.getfqdn()),
        )
        row = cursor.fetchone()
    age_s = row[0] if row else None
    if age_s is None:
        return f"there is no running {job_type} of {socket.getfqdn()}"
    return "" if age_s < _FRESH_S else f"the last heartbeat was {age_s:.0f} s ago"


def dag_processor() -> str:
    """It beats, and gives Airflow a release of every source: a stack without one is not ready."""
    return component("DagProcessorJob") or "; ".join(filter(None, map(_without_release, sources.load(os.environ))))


def worker() -> str:
    """It is given tasks at all, and answers the broker. Celery without Airflow's settings is enough to ask."""
    from celery import Celery

    executor = os.environ.get("AIRFLOW__CORE__EXECUTOR", "")
    if "Celery" not in executor:
        return f"no task comes here, the executor is {executor}: set AIRLOCK_EXECUTOR=CeleryExecutor in .env"
    app = Celery(broker=place.secret("broker-url").read_text("utf-8").strip())
    name = f"celery@{socket.gethostname()}"
    return "" if app.control.inspect([name], timeout=_TIMEOUT_S).ping() else f"{name} does not answer"


def flower() -> str:
    """Its page answers."""
    _get(_FLOWER)
    return ""


CHECKS: dict[str, Callable[[], str]] = {
    "api-server": api_server,
    "scheduler": lambda: component("SchedulerJob"),
    "triggerer": lambda: component("TriggererJob"),
    "dag-processor": dag_processor,
    "worker": worker,
    "flower": flower,
}


def _without_release(source: sources.Source) -> str:
    mirror = mirrors.of(states.from_environment(os.environ), source)
    try:
        if pointer.live(mirror.path) and mirror.read_record(confirm.RECORD):
            return ""
        last = mirror.read_record("sync") if mirror.exists() else None
    except AirlockError as error:
        return str(error)
    told = f": {last['result']}, {last['message']}" if last else ""
    return f"source {source.name} has no release in Airflow yet{told}"


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
        data: bytes = answer.read()
        return data


if __name__ == "__main__":
    sys.exit(main())
