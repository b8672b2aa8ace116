from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.engine import FakeEngine

from airlock.sandbox import reaper
from airlock.sandbox.engine import Engine
from airlock.sandbox.settings import Settings

LABELS = {"airlock.sandbox": "sandboxes"}


def sweeps(number: int, settings: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        seen: frozenset[str] = frozenset()
        for _ in range(number):
            seen = await reaper.sweep(Engine(socket=str(tmp_path / "engine.sock")), settings, seen)

    asyncio.run(run())


@pytest.mark.parametrize("state", ["exited", "dead", "created"])
def test_what_has_ended_is_removed_at_the_second_sweep(
    engine: FakeEngine, settings: Settings, tmp_path: Path, state: str
) -> None:
    engine.add("a", name="airlock-sandbox-1", labels=LABELS, state=state)
    sweeps(1, settings, tmp_path)
    assert len(engine.containers) == 1
    sweeps(2, settings, tmp_path)
    assert engine.containers == {}


def test_what_runs_stays_until_it_runs_for_too_long(engine: FakeEngine, settings: Settings, tmp_path: Path) -> None:
    running = engine.add("a", name="airlock-sandbox-1", labels=LABELS)
    sweeps(3, settings, tmp_path)
    assert len(engine.containers) == 1
    engine.containers[running]["Created"] -= 3 * 3600
    sweeps(1, settings, tmp_path)
    assert engine.containers == {}


def test_containers_of_others_stay(engine: FakeEngine, settings: Settings, tmp_path: Path) -> None:
    engine.add("a", name="airlock-postgres-1", labels=LABELS, state="exited")
    sweeps(3, settings, tmp_path)
    assert len(engine.containers) == 1


def test_the_engine_is_asked_for_our_containers_only(engine: FakeEngine, settings: Settings, tmp_path: Path) -> None:
    sweeps(1, settings, tmp_path)
    assert engine.asked[0][1].endswith("filters=%7B%22label%22%3A+%5B%22airlock.sandbox%3Dsandboxes%22%5D%7D")
