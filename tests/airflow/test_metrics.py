"""Syncs, releases and troubles arrive at a StatsD server, the way that a task of Airflow sends them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.upstream import Upstream

from airlock import enquiry, metrics, mirror as mirrors, sync_task
from airlock.enquiry import Answer, Stored
from airlock.errors import AirlockError
from airlock.source import Source
from airlock.state import State

GOOD = "from airflow.sdk import DAG\netl = DAG('etl', schedule=None)\n"
BAD = "from airflow.sdk import DAG\nimport not_there_at_all\netl = DAG('etl', schedule=None)\n"


@dataclass
class Statsd:
    """A StatsD server: what it was sent, in order."""

    socket: socket.socket
    lines: list[str] = field(default_factory=list)

    def take(self) -> dict[str, tuple[float, str]]:
        """Return the metrics of Airlock that have arrived since the last call, as value and kind."""
        while True:
            try:
                self.lines += self.socket.recv(65536).decode().splitlines()
            except TimeoutError:
                break
        lines, self.lines = self.lines, []
        found = {}
        for line in lines:
            name, _, rest = line.partition(":")
            if name.startswith("airflow.airlock."):
                value, kind = rest.split("|")[:2]
                found[name.removeprefix("airflow.airlock.")] = (float(value), kind)
        return found


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statsd]:
    """A server that Airflow's stats of this process send to, as the task runner sets them up."""
    with started(monkeypatch) as server:
        yield server


@contextmanager
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statsd]:
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.3)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(server.getsockname()[1]))
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
        yield Statsd(server)
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "False")
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


@pytest.fixture
def environ(state: State, upstream: Upstream) -> dict[str, str]:
    kwargs = {"repo_url": upstream.url}
    bundles = [{"name": "dags", "classpath": "airlock.bundle.AirlockDagBundle", "kwargs": kwargs}]
    return {
        "AIRLOCK_STATE": str(state.root),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
    }


def context(asked_at: datetime | None = None) -> dict[str, Any]:
    return {
        "params": {"ref": "", "force": False, "dry_run": False, "reason": ""},
        "dag_run": SimpleNamespace(triggering_user_name="dora", run_after=asked_at),
        "ti": SimpleNamespace(log_url=""),
    }


@contextmanager
def a_dag_processor(state: State, at: datetime) -> Iterator[None]:
    """Answer what is asked about a revision: the DAG was stored at that time."""
    ended = threading.Event()

    def answer() -> None:
        while not ended.wait(0.05):
            if question := enquiry.asked(state.enquiry("dags")):
                judged = mirrors.of(state, Source(name="dags")).read_verdict(question.revision)
                digests = {dag.dag_id: dag.digest for dag in judged.dags} if judged else {}
                stored = {
                    name: Stored(version=question.revision, parsed_at=at.isoformat(), digest=digests[name])
                    for name in question.dags
                }
                told = Answer(revision=question.revision, at=datetime.now(UTC).isoformat(), dags=stored, errors={})
                enquiry.answer(state.enquiry("dags"), told)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_syncs_findings_and_the_age_of_live_arrive(
    statsd: Statsd, environ: dict[str, str], upstream: Upstream, state: State
) -> None:
    upstream.push({"etl.py": GOOD})
    outcome = sync_task.run("dags", context(), environ)
    sent = statsd.take()
    assert sent["sync"] == sent["sync.dags.published"] == (1, "c")
    assert sent["sync.duration"][1] == sent["sync.duration.dags"][1] == "ms"
    assert 100 < sent["sync.duration"][0] < 600_000
    assert 0 <= sent["live.age"][0] < 600
    assert sent["live.age"][1] == sent["live.age.dags"][1] == "g"
    assert not {name for name in sent if name.startswith("findings")}

    upstream.push({"etl.py": BAD})
    assert sync_task.run("dags", context(), environ).result == "rejected"
    sent = statsd.take()
    assert sent["sync.dags.rejected"] == (1, "c")
    assert {name: value for name, (value, _) in sent.items() if name.startswith("findings.dags.")}
    assert "sync.dags.published" not in sent

    Path(upstream.url).rename(f"{upstream.url}.away")
    with pytest.raises(AirlockError):
        sync_task.run("dags", context(), environ)
    assert statsd.take()["sync.dags.error"] == (1, "c")
    assert outcome.release == 1


def test_the_time_from_push_to_live_arrives_once_for_the_run_that_published(
    statsd: Statsd, environ: dict[str, str], upstream: Upstream, state: State
) -> None:
    upstream.push({"etl.py": GOOD})
    asked_at = datetime.now(UTC)
    outcome = sync_task.run("dags", context(), environ)
    statsd.take()
    live_at = datetime.now(UTC) + timedelta(seconds=7)
    with a_dag_processor(state, live_at):
        assert sync_task.confirm(outcome.to_json(), context(asked_at), environ)
    sent = statsd.take()
    expected_ms = (live_at - asked_at).total_seconds() * 1000
    assert sent["push_to_live"] == sent["push_to_live.dags"] == (pytest.approx(expected_ms, abs=5), "ms")
    assert 7000 <= sent["publish_to_live"][0] < expected_ms
    assert sync_task.confirm(outcome.to_json(), context(asked_at), environ) is None
    assert not statsd.take()


def test_a_later_run_that_confirms_tells_no_time_from_the_push(
    statsd: Statsd, environ: dict[str, str], upstream: Upstream, state: State
) -> None:
    upstream.push({"etl.py": GOOD})
    sync_task.run("dags", context(), environ)
    later = sync_task.run("dags", context(), environ)
    assert later.result == "unchanged"
    statsd.take()
    with a_dag_processor(state, datetime.now(UTC)):
        assert sync_task.confirm(later.to_json(), context(datetime.now(UTC)), environ)
    sent = statsd.take()
    assert "publish_to_live" in sent
    assert "push_to_live" not in sent


def test_who_wants_no_names_with_values_gets_none(statsd: Statsd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__LEGACY_NAMES_ON", "False")
    metrics.troubled("dags", "stalled", is_so=True)
    assert statsd.take() == {"trouble": (1, "g")}


def test_a_server_with_tags_gets_them(statsd: Statsd, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils

    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
    metrics.troubled("dags", "stalled", is_so=False)
    assert statsd.take()["trouble,source=dags,kind=stalled"] == (0, "g")
