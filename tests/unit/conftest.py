"""What the tests of the git side share: a mirror of a real upstream, and verdicts without an import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import mirror as mirrors
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty state directory."""
    return State(root=tmp_path / "state")


@pytest.fixture
def mirror(state: State, upstream: Upstream) -> Mirror:
    """The mirror of the upstream; nothing is fetched yet."""
    return mirrors.of(state, Source(name="dags", repo_url=upstream.url))


@pytest.fixture
def fetch(mirror: Mirror, upstream: Upstream) -> Callable[[], str | None]:
    """Return a function that fetches and returns the followed branch's commit."""

    def fetch_now() -> str | None:
        with mirror.fetching():
            mirror.fetch(upstream.url, env={})
        return mirror.upstream_revision()

    return fetch_now
