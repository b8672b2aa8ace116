"""Waits until a starting deployment is healthy and serves a release."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from airlock import mirror as mirrors, status
from airlock.api import sync_dag_id
from airlock.embedded import health, layout as layouts, logs, supervision
from airlock.embedded.deployment import SOURCE, Deployment
from airlock.embedded.layout import Layout
from airlock.embedded.supervision import Supervision
from airlock.errors import OperatorError
from airlock.source import Source
from airlock.state import State
from airlock.status import SourceStatus

GIVE_UP_S = 300.0
_PAUSE_S = 0.5
_SETTLE_S = 20.0
_ASK_S, _ASK_AGAIN_S = 15.0, 120.0
_CRASHES = 4
_TAIL_LINES = 12


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the wait ended: ``live``, or ``rejected`` / ``waiting`` when the first revision did not become a release."""

    result: Literal["live", "rejected", "waiting"]
    source: SourceStatus


def await_healthy(layout: Layout, deployment: Deployment, *, on_running: Callable[[], None]) -> None:
    """Return when every component is healthy and tasks can run. ``on_running`` is called when the components start.

    Raises ``OperatorError`` with the end of the log of what is in the way.
    """
    announced = False
    remaining: list[str] = []
    for record in _attended(layout):
        if record.phase != "running":
            continue
        if not announced:
            on_running()
            announced = True
        remaining = health.unhealthy(deployment, since=record.started_at)
        if "api-server" not in remaining and health.answers_tasks(deployment) and not remaining:
            return
    raise _not_ready(layout, f"not healthy after {GIVE_UP_S:g} s: {', '.join(remaining) or 'prepare'}", remaining[:1])


def await_release(state: State, layout: Layout, deployment: Deployment, *, password: str) -> Outcome:
    """Return when a release is served, or when the first revision was judged and is none.

    A release from before a restart counts when the DAG processor has parsed it again. Where no sync begins, as when
    upstream cannot be asked, one is started: it says why. Raises ``OperatorError`` when the first sync ends with an
    error, or after ``GIVE_UP_S`` seconds.
    """
    source = deployment.source(layout)
    access_token: str | None = None
    settled_s = time.monotonic() + _SETTLE_S
    ask_s = time.monotonic() + _ASK_S
    for record in _attended(layout):
        now = status.read_source(state, source)
        if now.live is None and time.monotonic() >= ask_s:
            access_token = access_token or health.token(deployment, password)
            is_asked = access_token and health.start_run(deployment, access_token, sync_dag_id(source))
            ask_s = time.monotonic() + (_ASK_AGAIN_S if is_asked else _PAUSE_S)
        if now.live is not None:
            access_token = access_token or health.token(deployment, password)
            if access_token and _is_served(state, source, now, deployment, access_token, since=record.started_at):
                return Outcome(result="live", source=now)
        elif now.last_sync is not None:
            is_new = datetime.fromisoformat(now.last_sync.at).timestamp() >= record.started_at
            if is_new and now.last_sync.result == "error":
                raise OperatorError(now.last_sync.message, reason=now.last_sync.reason)
            # A revision that was judged before the restart is not judged again; a newer one would have been by now.
            if is_new or time.monotonic() >= settled_s:
                if now.last_sync.result == "rejected":
                    return Outcome(result="rejected", source=now)
                if now.last_sync.result == "waiting":
                    return Outcome(result="waiting", source=now)
    raise _not_ready(layout, f"no release after {GIVE_UP_S:g} s", ["scheduler", "dag-processor"])


def _is_served(
    state: State, source: Source, now: SourceStatus, deployment: Deployment, access_token: str, *, since: float
) -> bool:
    assert now.live is not None
    verdict = mirrors.of(state, source).read_verdict(now.live.revision)
    if verdict is not None and not verdict.dags:
        return True  # a release without DAGs: there is nothing to wait for
    return health.has_parsed(deployment, access_token, bundle=SOURCE, version=now.live.revision, since=since)


def _attended(layout: Layout) -> Iterator[Supervision]:
    """Yield the supervisor's record twice a second for ``GIVE_UP_S`` seconds; raise when that has become pointless."""
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        record = supervision.read(layout)
        if record is not None and record.phase == "failed":
            raise _not_ready(layout, record.message, ["prepare"])
        if record is None or not record.is_alive():
            raise _not_ready(layout, "the supervisor has ended", ["supervisor"])
        crashing = [component.name for component in record.components if component.failures >= _CRASHES]
        if crashing:
            raise _not_ready(layout, f"{crashing[0]} ended {_CRASHES} times", crashing)
        yield record
        time.sleep(_PAUSE_S)


def _not_ready(layout: Layout, what: str, shown: list[str]) -> OperatorError:
    if layouts.is_full(layout):
        return layouts.disk_full(layout.root)
    tails = [f"--- end of {layout.log(name)}\n{logs.tail(layout.log(name), lines=_TAIL_LINES)}" for name in shown]
    return OperatorError(
        "\n".join([f"Airflow did not get ready: {what}", *tails]),
        hint=f"all logs are in {layout.logs}",
        reason="NotReady",
    )
