"""The watcher asks for a sync while upstream is ahead of what was judged, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import judgement, mirror as mirrors
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.validate.policy import Policy


@pytest.fixture
def watched(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    monkeypatch.setenv("AIRLOCK_STATE", str(tmp_path / "state"))
    return mirrors.of(State(root=tmp_path / "state"), Source(name="dags", repo_url=upstream.url, poll_interval_s=1))


@pytest.fixture
def events(watched: Mirror) -> Callable[[float], list[dict[str, object]]]:
    """Return a function that lets a new watcher run for some seconds and returns what it asked for."""
    from airlock.watcher import SourceWatcher

    def within(seconds: float) -> list[dict[str, object]]:
        kwargs = {key: value for key, value in asdict(watched.source).items() if key != "name"}
        found: list[dict[str, object]] = []

        async def collect() -> None:
            async for event in SourceWatcher(name="dags", kwargs=kwargs).run():
                found.append(event.payload)  # noqa: PERF401 - it is cut off, and what came until then counts

        async def limited() -> None:
            try:
                await asyncio.wait_for(collect(), seconds)
            except TimeoutError:
                return

        asyncio.run(limited())
        return found

    return within


def judge(watched: Mirror, upstream: Upstream, revision: str) -> None:
    with watched.fetching():
        watched.fetch(upstream.url, env={})
    with watched.locked():
        watched.mark_judged(revision)


def test_a_new_revision_is_asked_for_once(
    events: Callable[[float], list[dict[str, object]]], upstream: Upstream
) -> None:
    revision = upstream.push({"a.py": "1"})
    assert events(3.5) == [{"source": "dags", "revision": revision}]


def test_a_judged_revision_is_not_asked_for(
    events: Callable[[float], list[dict[str, object]]], upstream: Upstream, watched: Mirror
) -> None:
    judge(watched, upstream, upstream.push({"a.py": "1"}))
    assert events(2.5) == []


def test_another_environment_or_setting_is_asked_for_until_a_sync_has_judged_in_it(
    events: Callable[[float], list[dict[str, object]]], upstream: Upstream, watched: Mirror
) -> None:
    revision = upstream.push({"a.py": "1"})
    judge(watched, upstream, revision)
    today = judgement.circumstances(watched, Policy())
    with watched.locked():
        watched.mark_judged(revision, under={**today, "at": "2026-01-01T00:00:00+00:00"})
    assert events(2.5) == []
    with watched.locked():
        watched.mark_judged(revision, under={**today, "environment": "older", "at": "2026-01-01T00:00:00+00:00"})
    assert events(3.5) == [{"source": "dags", "revision": revision}]
    with watched.locked():
        watched.mark_judged(revision, under={**today, "takes": "submodules", "at": "2026-01-01T00:00:00+00:00"})
    assert events(3.5) == [{"source": "dags", "revision": revision}]
    with watched.locked():  # by workers that differ from the triggerer: asking for ever would help nobody
        watched.mark_judged(revision, under={**today, "environment": "older", "at": "2999-01-01T00:00:00+00:00"})
    assert events(2.5) == []


def test_a_revision_that_waits_for_its_window_is_asked_for_when_it_opens(
    events: Callable[[float], list[dict[str, object]]], upstream: Upstream, watched: Mirror
) -> None:
    revision = upstream.push({"a.py": "1"})
    judge(watched, upstream, revision)
    under = {**judgement.circumstances(watched, Policy()), "at": "2999-01-01T00:00:00+00:00"}
    for later in ("2999-01-01T08:00:00+01:00", "2999-01-01T08:00:00", "as another version of Airlock says it"):
        with watched.locked():
            watched.mark_judged(revision, under={**under, "opens": later})
        assert events(2.5) == []
    with watched.locked():
        watched.mark_judged(revision, under={**under, "opens": "2026-01-01T08:00:00+01:00"})
    assert events(3.5) == [{"source": "dags", "revision": revision}]


def test_a_revision_whose_sync_was_lost_is_asked_for_by_the_next_watcher(
    events: Callable[[float], list[dict[str, object]]], upstream: Upstream
) -> None:
    upstream.push({"a.py": "1"})
    assert len(events(1.5)) == 1
    assert len(events(1.5)) == 1


def test_history_that_went_backwards_is_asked_for(
    events: Callable[[float], list[dict[str, object]]], upstream: Upstream, watched: Mirror
) -> None:
    first = upstream.push({"a.py": "1"})
    judge(watched, upstream, upstream.push({"a.py": "2"}))
    upstream.git("push", "--quiet", "--force", "origin", f"{first}:refs/heads/main")
    assert events(2.5) == [{"source": "dags", "revision": first}]


def test_an_upstream_that_is_gone_is_waited_for(
    events: Callable[[float], list[dict[str, object]]], upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.push({"a.py": "1"})
    Path(upstream.url).rename(f"{upstream.url}.away")
    assert events(2.5) == []
    Path(f"{upstream.url}.away").rename(upstream.url)
    assert len(events(2.5)) == 1
