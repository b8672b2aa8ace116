"""A rehearsal where it cannot take place: it says so, and changes nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import mirror as mirrors, sync
from airlock.errors import OperatorError, UsageError
from airlock.rehearsal import rehearse
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers

DAG_FILE = 'from airflow.sdk import DAG\n\nwith DAG("orders", schedule=None):\n    pass\n'


@pytest.fixture
def source(upstream: Upstream) -> Source:
    upstream.push({"orders.py": DAG_FILE})
    return Source(name="dags", repo_url=upstream.url)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(root=tmp_path / "state")


@pytest.fixture
def nobody() -> Iterator[dict[str, str]]:
    """Settings with the address of an engine that does not answer."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield {"AIRLOCK_DOCKER_HOST": f"tcp://127.0.0.1:{bound.getsockname()[1]}"}


def test_nothing_live_is_nothing_to_rehearse(source: Source, state: State, nobody: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="source dags: nothing is live") as raised:
        rehearse.run(source, state, "airlock:next", Answers(), nobody)
    assert raised.value.reason == "NothingLive"


def test_without_an_engine_it_says_so_and_everything_else_works(
    source: Source, state: State, nobody: dict[str, str]
) -> None:
    published = sync.run(source, state, sync.Request(), Answers())
    assert published.result == "published", published.message
    with pytest.raises(OperatorError, match="no Docker engine answers at") as raised:
        rehearse.run(source, state, "airlock:next", Answers(), nobody)
    assert raised.value.reason == "NoEngine"
    assert "profile sandbox" in raised.value.hint
    assert mirrors.of(state, source).read_record(rehearse.RECORD) is None
    assert sync.run(source, state, sync.Request(), Answers()).result == "unchanged"


def test_a_sync_that_should_use_the_sandbox_never_goes_on_without(
    source: Source, state: State, nobody: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**nobody, "AIRLOCK_SANDBOX": "docker"}.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(OperatorError) as raised:
        sync.run(source, state, sync.Request(), Answers())
    assert raised.value.reason == "NoEngine"
    mirror = mirrors.of(state, source)
    record = mirror.read_record(sync.RECORD)
    assert record is not None
    assert (record["result"], record["reason"]) == ("error", "NoEngine")
