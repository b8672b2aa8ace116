"""What up waits for: a small HTTP server answers in Airflow's place, the mirror and the records are real."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil
import pytest
from tests.upstream import Upstream
from tests.verdicts import dag, verdict

from airlock import mirror as mirrors, release, sync
from airlock.embedded import health, layout as layouts, readiness, supervision
from airlock.embedded.deployment import Deployment
from airlock.embedded.layout import Layout
from airlock.embedded.supervision import Supervision, Watched
from airlock.errors import OperatorError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.verdict import Changes

NAMES = {"scheduler": "scheduler", "dag_processor": "dag-processor", "triggerer": "triggerer"}


class FakeAirflow:
    """What the server answers, by method and path; a path that is not there is a 404."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: dict[str, Any] = {}
        self.on_run: Callable[[], None] = lambda: None

    def report(self, **heartbeats: float) -> None:
        """Let every component be healthy, its last heartbeat at a time (now, unless given)."""
        self.answers["GET /api/v2/monitor/health"] = {
            key: {"status": "healthy", f"latest_{key}_heartbeat": moment(heartbeats.get(key, time.time() + 1))}
            for key in NAMES
        }


def moment(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            found = fake.answers.get(f"{self.command} {self.path.split('?')[0]}")
            if self.path.endswith("/dagRuns"):
                fake.on_run()
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = answer  # noqa: N815 - the names are the library's
        do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake = FakeAirflow(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def layout(state: State) -> Layout:
    made = layouts.of(state)
    layouts.prepare(made)
    return made


@pytest.fixture
def deployment(airflow: FakeAirflow, upstream: Upstream) -> Deployment:
    return Deployment(port=airflow.port, repo=upstream.url)


@pytest.fixture
def supervise(layout: Layout) -> Callable[..., Supervision]:
    """Return a function that records a supervisor, which is this process."""

    def record(phase: str = "running", *, failures: int = 0, message: str = "", age_s: float = 0) -> Supervision:
        own = psutil.Process()
        watched = Watched(name="scheduler", pid=None, failures=failures, last_exit="status 1")
        made = Supervision(
            pid=own.pid,
            create_time=own.create_time() - age_s,
            started_at=time.time(),
            phase=phase,
            message=message,
            components=(watched,),
        )
        supervision.write(layout, made)
        return made

    return record


def write_sync(mirror: Mirror, result: str, reason: str = "X", *, at: float | None = None, revision: str = "") -> None:
    record = {"at": moment(at or time.time() + 1), "result": result, "reason": reason, "message": f"{result}!"}
    with mirror.locked():
        mirror.write_record(sync.RECORD, {**record, "revision": revision or None})


def publish(mirror: Mirror, revision: str, *dag_ids: str) -> None:
    judged = verdict(revision, dags=tuple(dag(dag_id) for dag_id in dag_ids))
    with mirror.locked():
        mirror.write_verdict(judged)
        assert release.publish(mirror, judged, expected=None, who="dora", why="", changes=Changes())


def await_release(state: State, layout: Layout, deployment: Deployment) -> readiness.Outcome:
    return readiness.await_release(state, layout, deployment, password="secret")


def test_all_healthy(airflow: FakeAirflow, deployment: Deployment) -> None:
    airflow.report()
    assert health.unhealthy(deployment, since=time.time()) == []


def test_a_heartbeat_from_before_the_start_does_not_count(airflow: FakeAirflow, deployment: Deployment) -> None:
    airflow.report(scheduler=time.time() - 5)
    assert health.unhealthy(deployment, since=time.time() - 1) == ["scheduler"]


def test_a_component_without_a_heartbeat_is_not_healthy(airflow: FakeAirflow, deployment: Deployment) -> None:
    airflow.answers["GET /api/v2/monitor/health"] = {
        "scheduler": {"status": "unhealthy"},
        "triggerer": {"status": None},
    }
    assert health.unhealthy(deployment, since=0) == ["scheduler", "dag-processor", "triggerer"]


def test_nobody_answers() -> None:
    nobody = Deployment(port=9)
    assert health.unhealthy(nobody, since=0) == ["api-server", "scheduler", "dag-processor", "triggerer"]
    assert not health.answers_tasks(nobody)
    assert health.token(nobody, "secret") is None


def test_it_is_healthy_when_tasks_can_run_too(
    airflow: FakeAirflow, layout: Layout, deployment: Deployment, supervise: Callable[..., Supervision]
) -> None:
    supervise()
    airflow.report()
    threading.Timer(0.7, lambda: airflow.answers.update({"GET /execution/health": {"status": "healthy"}})).start()
    announced: list[str] = []
    began = time.monotonic()
    readiness.await_healthy(layout, deployment, on_running=lambda: announced.append("once"))
    assert time.monotonic() - began > 0.6
    assert announced == ["once"]


def test_an_ended_supervisor_is_told_with_the_end_of_its_log(
    layout: Layout, deployment: Deployment, supervise: Callable[..., Supervision]
) -> None:
    supervise(age_s=3600)
    layout.log("supervisor").write_text("line\nTraceback: it broke\n")
    with pytest.raises(OperatorError, match="the supervisor has ended") as caught:
        readiness.await_healthy(layout, deployment, on_running=lambda: None)
    assert "it broke" in caught.value.message
    assert str(layout.logs) in caught.value.hint


def test_a_failed_preparation_is_told(
    layout: Layout, deployment: Deployment, supervise: Callable[..., Supervision]
) -> None:
    supervise("failed", message="prepare ended with status 1")
    layout.log("prepare").write_text("no such table\n")
    with pytest.raises(OperatorError, match=r"prepare ended with status 1(.|\n)*no such table"):
        readiness.await_healthy(layout, deployment, on_running=lambda: None)


def test_a_component_that_crashes_again_and_again_ends_the_wait(
    layout: Layout, deployment: Deployment, supervise: Callable[..., Supervision]
) -> None:
    supervise(failures=4)
    layout.log("scheduler").write_text("ImportError: nope\n")
    with pytest.raises(OperatorError, match=r"scheduler ended 4 times(.|\n)*ImportError: nope"):
        readiness.await_healthy(layout, deployment, on_running=lambda: None)


def test_it_gives_up(
    airflow: FakeAirflow,
    layout: Layout,
    deployment: Deployment,
    supervise: Callable[..., Supervision],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "GIVE_UP_S", 1.0)
    supervise()
    airflow.report(triggerer=0)
    with pytest.raises(OperatorError, match="not healthy after 1 s: triggerer"):
        readiness.await_healthy(layout, deployment, on_running=lambda: None)


def test_a_release_is_live_when_airflow_has_parsed_it(
    airflow: FakeAirflow,
    state: State,
    layout: Layout,
    deployment: Deployment,
    mirror: Mirror,
    upstream: Upstream,
    fetch: Callable[[], str | None],
    supervise: Callable[..., Supervision],
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    publish(mirror, revision, "a")
    started = supervise().started_at
    airflow.answers["POST /auth/token"] = {"access_token": "t"}
    airflow.answers["GET /api/v2/dags"] = {"dags": [{"last_parsed_time": moment(started - 60)}]}
    seen = {"dags": [{"last_parsed_time": moment(started - 60)}, {"last_parsed_time": moment(started + 1)}]}
    threading.Timer(1, lambda: airflow.answers.update({"GET /api/v2/dags": seen})).start()
    began = time.monotonic()
    outcome = await_release(state, layout, deployment)
    assert time.monotonic() - began > 0.9
    assert outcome.result == "live"
    assert outcome.source.live
    assert outcome.source.live.revision == revision


def test_a_release_without_dags_is_live_at_once(
    airflow: FakeAirflow,
    state: State,
    layout: Layout,
    deployment: Deployment,
    mirror: Mirror,
    upstream: Upstream,
    fetch: Callable[[], str | None],
    supervise: Callable[..., Supervision],
) -> None:
    revision = upstream.push({"README": "1"})
    fetch()
    publish(mirror, revision)
    supervise()
    airflow.answers["POST /auth/token"] = {"access_token": "t"}
    assert await_release(state, layout, deployment).result == "live"


def test_a_rejected_first_revision_ends_the_wait(
    state: State,
    layout: Layout,
    deployment: Deployment,
    mirror: Mirror,
    upstream: Upstream,
    fetch: Callable[[], str | None],
    supervise: Callable[..., Supervision],
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    supervise()
    write_sync(mirror, "rejected", revision=revision)
    assert await_release(state, layout, deployment).result == "rejected"


def test_a_revision_that_was_rejected_before_the_restart_is_still_rejected(
    state: State,
    layout: Layout,
    deployment: Deployment,
    mirror: Mirror,
    upstream: Upstream,
    fetch: Callable[[], str | None],
    supervise: Callable[..., Supervision],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "_SETTLE_S", 0.7)
    revision = upstream.push({"a.py": "1"})
    fetch()
    write_sync(mirror, "rejected", revision=revision, at=time.time() - 60)
    supervise()
    began = time.monotonic()
    assert await_release(state, layout, deployment).result == "rejected"
    assert time.monotonic() - began > 0.6


def test_an_error_of_the_first_sync_is_the_error_of_up(
    state: State,
    layout: Layout,
    deployment: Deployment,
    mirror: Mirror,
    fetch: Callable[[], str | None],
    upstream: Upstream,
    supervise: Callable[..., Supervision],
) -> None:
    upstream.push({"a.py": "1"})
    fetch()
    supervise()
    write_sync(mirror, "error", "SubdirMissing")
    with pytest.raises(OperatorError, match="error!") as caught:
        await_release(state, layout, deployment)
    assert caught.value.reason == "SubdirMissing"


def test_a_sync_is_started_where_none_begins(
    state: State,
    layout: Layout,
    deployment: Deployment,
    mirror: Mirror,
    airflow: FakeAirflow,
    supervise: Callable[..., Supervision],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "_ASK_S", 0.2)
    supervise()
    airflow.answers["POST /auth/token"] = {"access_token": "t"}
    monkeypatch.setattr(airflow, "on_run", lambda: write_sync(mirror, "error", "ConnectionUnusable"))
    airflow.answers["POST /api/v2/dags/airlock_sync_dags/dagRuns"] = {"dag_run_id": "manual"}
    with pytest.raises(OperatorError) as caught:
        await_release(state, layout, deployment)
    assert caught.value.reason == "ConnectionUnusable"


def test_an_error_of_an_earlier_run_is_not(
    state: State,
    layout: Layout,
    deployment: Deployment,
    mirror: Mirror,
    fetch: Callable[[], str | None],
    upstream: Upstream,
    supervise: Callable[..., Supervision],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "GIVE_UP_S", 1.0)
    upstream.push({"a.py": "1"})
    fetch()
    supervise()
    write_sync(mirror, "error", at=time.time() - 60)
    with pytest.raises(OperatorError, match="no release after 1 s"):
        await_release(state, layout, deployment)


def test_the_mirror_that_is_looked_at_is_the_deployments(state: State, deployment: Deployment, mirror: Mirror) -> None:
    assert mirrors.of(state, Source(name="dags", repo_url=deployment.repo)).path == mirror.path
