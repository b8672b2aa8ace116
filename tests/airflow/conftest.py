"""A source that follows a real upstream, with a state of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import mirror as mirrors
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(root=tmp_path / "state")


@pytest.fixture
def source(upstream: Upstream) -> Source:
    return Source(name="dags", repo_url=upstream.url)


@pytest.fixture
def mirror(state: State, source: Source) -> Mirror:
    return mirrors.of(state, source)
