"""A source that follows a real upstream, with a state of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import mirror as mirrors
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State

# Airflow is imported while tests are collected, before they have an environment of their own.
_HOME = tempfile.TemporaryDirectory(prefix="airlock-test-airflow-", ignore_cleanup_errors=True)
os.environ["AIRFLOW_HOME"] = _HOME.name


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(root=tmp_path / "state")


@pytest.fixture
def source(upstream: Upstream) -> Source:
    return Source(name="dags", repo_url=upstream.url)


@pytest.fixture
def mirror(state: State, source: Source) -> Mirror:
    return mirrors.of(state, source)
