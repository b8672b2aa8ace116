"""A proxy in front of a fake engine, and what a sandbox of the tests is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import engine as engines, proxies
from tests.engine import FakeEngine
from tests.proxies import Door

from airlock.sandbox import shape
from airlock.sandbox.settings import Settings
from airlock.sandbox.shape import Sandbox


@pytest.fixture
def settings() -> Settings:
    return Settings(
        image="airlock:latest", volume="sandboxes", memory_mb=1024, cpus=2, candidates=("airlock:*", "apache/airflow:*")
    )


@pytest.fixture
def sandbox(settings: Settings) -> Sandbox:
    return Sandbox(
        image=settings.image,
        place="tmpabc_1/airlock-validate-x",
        key="0" * 32,
        user="50000:0",
        volume=settings.volume,
        memory=1 << 30,
        nano_cpus=2 * 10**9,
    )


@pytest.fixture
def body(sandbox: Sandbox) -> dict[str, Any]:
    """The request for the sandbox."""
    return shape.body(sandbox)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    fake = FakeEngine(images=["airlock:latest"])
    server = engines.serve(fake, tmp_path / "engine.sock")
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def door(engine: FakeEngine, settings: Settings, tmp_path: Path) -> Iterator[Door]:
    """A proxy that listens."""
    with proxies.serve(settings, tmp_path / "engine.sock") as listening:
        yield listening
