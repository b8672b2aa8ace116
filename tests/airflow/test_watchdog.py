"""The watchdog's task, with real repositories and a real notifier of Airflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.sdk import DAG
from tests.upstream import Upstream

from airlock import mirror as mirrors, watchdog, watchdog_task
from airlock.errors import ConfigError
from airlock.source import Source
from airlock.state import State


@pytest.fixture
def environ(tmp_path: Path, upstream: Upstream) -> dict[str, str]:
    """The environment of a deployment with a source that is well and one whose upstream is gone."""
    urls = {"gone": str(tmp_path / "gone.git"), "well": upstream.url}
    bundles = [
        {"name": name, "classpath": "airlock.bundle.AirlockDagBundle", "kwargs": {"repo_url": url}}
        for name, url in urls.items()
    ]
    receiver = {
        "notifier": "tests.airflow.notifiers.ToFile",
        "kwargs": {
            "text": "{{ airlock.kind }} {{ airlock.reason }}: {{ airlock.text }}",
            "path": str(tmp_path / "told"),
        },
        "on": ["stalled", "recovered"],
    }
    return {
        "AIRLOCK_STATE": str(tmp_path / "state"),
        "AIRLOCK_NOTIFIERS": json.dumps([receiver]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
    }


def test_a_source_in_trouble_is_told_once_by_a_notifier_and_so_is_its_end(
    environ: dict[str, str], tmp_path: Path, upstream: Upstream
) -> None:
    revision = upstream.push({"etl.py": ""})
    state, context = State(root=tmp_path / "state"), {"dag": DAG("any", schedule=None)}
    well = mirrors.of(state, Source(name="well", repo_url=upstream.url))
    with well.alone():
        well.fetch(upstream.url, env={})
        well.mark_judged(revision)
    told = tmp_path / "told"
    assert watchdog_task.run(context, environ) == {"gone": ["stalled"]}
    assert not told.exists()
    mirror = mirrors.of(state, Source(name="gone", repo_url=str(tmp_path / "gone.git")))
    record = mirror.read_record(watchdog.RECORD)
    assert record
    with mirror.locked():  # half an hour ago
        record["stalled"]["since"] = "2026-01-01T00:00:00+00:00"
        mirror.write_record(watchdog.RECORD, record)
    for _ in range(2):
        assert watchdog_task.run(context, environ) == {"gone": ["stalled"]}
    stalled = told.read_text()
    assert stalled.startswith("stalled RepositoryMissing: gone: no sync has succeeded for ")
    assert stalled.count("no sync has succeeded") == 1
    Path(upstream.url).rename(tmp_path / "gone.git")
    Path(upstream.url).symlink_to(tmp_path / "gone.git")
    with mirror.alone():
        mirror.fetch(upstream.url, env={})
        mirror.mark_judged(revision)
    for _ in range(2):
        assert watchdog_task.run(context, environ) == {}
    assert told.read_text() == f"{stalled}recovered Recovered: gone: recovered: syncs succeed again\n"


def test_it_can_be_switched_off_and_a_wrong_setting_is_an_error(environ: dict[str, str]) -> None:
    assert watchdog_task.run({}, {**environ, "AIRLOCK_WATCHDOG_MINUTES": "0"}) == {}
    with pytest.raises(ConfigError):
        watchdog_task.run({}, {**environ, "AIRLOCK_WATCHDOG_MINUTES": "soon"})
