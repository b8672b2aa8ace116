"""The trigger of the lockfile DAG, run as the triggerer runs it."""

from __future__ import annotations

import asyncio
import json
import os
from importlib import import_module
from pathlib import Path

import pytest

from airlock import git, state as states
from airlock.lockfile import artifact, distributions, publication
from airlock.lockfile.manifest import Manifest


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> states.State:
    monkeypatch.setenv(states.VARIABLE, str(tmp_path / "state"))
    return states.State(root=tmp_path / "state")


def publish(state: states.State, environment: str) -> None:
    manifest = Manifest(environment=environment, python="3.12.1", airflow="3.3.2", platform={}, distributions={})
    publication.publish(state, make=lambda _: artifact.assemble(manifest, {}))


def events(count: int, *, within_s: float, check_s: float = 0.05) -> list[object]:
    """Return the first ``count`` events of a trigger, or those that came within the time."""
    from airlock.environment_trigger import EnvironmentTrigger

    found: list[object] = []

    async def collect() -> None:
        async for event in EnvironmentTrigger(check_s=check_s).run():
            found.append(event.payload)
            if len(found) == count:
                return

    async def bounded() -> None:
        try:
            await asyncio.wait_for(collect(), within_s)
        except TimeoutError:
            return

    asyncio.run(bounded())
    return found


def test_the_triggerer_can_make_it_again() -> None:
    from airlock.environment_trigger import EnvironmentTrigger

    path, kwargs = EnvironmentTrigger(check_s=7.0).serialize()
    module, _, name = path.rpartition(".")
    assert getattr(import_module(module), name)(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)


def test_it_fires_at_its_start_when_nothing_is_published(state: states.State) -> None:
    assert events(1, within_s=30) == [{"reason": "NotPublished"}]


def test_it_is_silent_while_the_environment_is_the_published_one(state: states.State) -> None:
    publish(state, distributions.digest())
    assert events(1, within_s=1.5) == []


def test_it_fires_once_for_a_difference_that_stays(state: states.State) -> None:
    publish(state, "another")
    assert events(2, within_s=1.5) == [{"reason": "EnvironmentChanged"}]


def test_a_repository_that_cannot_be_asked_does_not_end_it(
    state: states.State, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airlock.environment_trigger import EnvironmentTrigger

    git.init_bare(state.environment)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", "/nowhere")

    async def first() -> object:
        trigger = EnvironmentTrigger(check_s=0.05)
        waiting = asyncio.ensure_future(anext(aiter(trigger.run())))
        await asyncio.sleep(1)
        assert not waiting.done()
        monkeypatch.setenv("PATH", path)
        return (await asyncio.wait_for(waiting, 30)).payload

    assert asyncio.run(first()) == {"reason": "NotPublished"}
