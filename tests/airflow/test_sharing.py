"""The imports of a large revision, shared among tasks: what comes out is what one task would have found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from tests.upstream import Upstream

from airlock import judgement, sharing, sync
from airlock.judgement import Terms
from airlock.mirror import Mirror
from airlock.sharing import Postponed
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.limits import Limits
from airlock.verdict import Verdict

SECRET = "swordfish-and-more"
SHARES = Terms(shares=True, limits=Limits(shard_files=3))
DAG = "from airflow.sdk import DAG\nfrom words import WORD\n{extra}\ndag = DAG('{name}', schedule=None, tags=[WORD])\n"
EXTRAS = {
    "plain": "",
    "other": "",
    "clock": "import time\nNOW = time.time()",
    "broken": "raise ValueError('broken')",
    "crash": "import os\nos._exit(3)",
    "leaky": "from airflow.sdk import Variable\nraise ValueError(Variable.get('password'))",
    "deprecated": "Old = lambda: DAG('x', schedule_interval=None)",
}
FILES: Mapping[str, str | bytes | None] = {
    "words.py": "WORD = 'one'\n",
    **{f"{name}.py": DAG.format(name=name, extra=extra) for name, extra in EXTRAS.items()},
}


def resolve(body: Mapping[str, Any]) -> dict[str, Any] | None:
    return {"type": "VariableResult", "key": body["key"], "value": SECRET} if body.get("key") == "password" else None


@pytest.fixture
def run(state: State, source: Source) -> Callable[..., sync.Outcome]:
    def run_now(terms: Terms | None = None, **request: Any) -> sync.Outcome:
        return sync.run(source, state, sync.Request(**request), Answers(resolve), terms)

    return run_now


@pytest.fixture
def server() -> Iterator[Callable[[], ForkServer]]:
    """Return a function that gives one of two warm processes, in turn."""
    with ForkServer(Answers(resolve)) as one, ForkServer(Answers(resolve)) as other:
        servers = cycle((one, other))
        yield lambda: next(servers)


@pytest.fixture
def postponed(upstream: Upstream, run: Callable[..., sync.Outcome]) -> Postponed:
    upstream.push(FILES)
    with pytest.raises(Postponed) as raised:
        run(SHARES)
    return raised.value


def hand_over(
    postponed: Postponed, mirror: Mirror, state: State, server: Callable[[], ForkServer], *, force: bool = False
) -> list[Path]:
    for document in postponed.shards(2):
        shard = sharing.parse(document)
        told = judgement.of_shard(mirror, state, shard, server(), force=force)
        assert told == f"{len(shard.files)} DAG files were imported"
    return sorted(state.shards("dags").rglob("*.json"))


def plain(verdict: Verdict | None) -> Verdict:
    """Return a verdict without times, and without how much was imported."""
    assert verdict
    return replace(verdict, duration_s=0.0, judged_at="", imported=0, cached=0)


def test_shards_have_all_files_once_and_are_never_too_many() -> None:
    files = tuple(f"{number}.py" for number in range(1001))
    for size in (1, 7, 1001, 5000):
        shards = [sharing.parse(document) for document in Postponed("0" * 40, files).shards(size)]
        assert len(shards) <= sharing.MOST_SHARDS
        assert sorted(file for shard in shards for file in shard.files) == sorted(files)
        assert max(len(shard.files) for shard in shards) - min(len(shard.files) for shard in shards) <= 1
        assert [shard.number for shard in shards] == list(range(len(shards)))


def test_nothing_is_postponed_that_one_task_can_do(upstream: Upstream, run: Callable[..., sync.Outcome]) -> None:
    few = [f"{name}.py" for name in EXTRAS if name not in ("broken", "crash", "leaky")]
    upstream.push({name: FILES[name] for name in ("words.py", *few)})
    assert run(SHARES).result == "published"


def test_a_shared_verdict_is_the_verdict_of_one_task(
    postponed: Postponed,
    run: Callable[..., sync.Outcome],
    mirror: Mirror,
    state: State,
    server: Callable[[], ForkServer],
) -> None:
    assert mirror.read_verdict(postponed.revision) is None
    assert sorted(postponed.files) == sorted(f"{name}.py" for name in EXTRAS)
    hand_over(postponed, mirror, state, server)
    assert run().result == "rejected"
    shared = mirror.read_verdict(postponed.revision)
    sharing.clear(state, "dags")
    assert run(force=True).result == "rejected"
    alone = mirror.read_verdict(postponed.revision)
    assert plain(shared) == plain(alone)
    assert shared
    assert (shared.imported, shared.cached) == (1, len(EXTRAS) - 1)  # one has a secret in its error
    assert alone
    assert (alone.imported, alone.cached) == (len(EXTRAS), 0)
    assert {finding.rule for finding in shared.findings} >= {"import-error", "crash", "deprecated-api"}


def test_what_is_handed_over_has_no_secret_in_it(
    postponed: Postponed, mirror: Mirror, state: State, server: Callable[[], ForkServer]
) -> None:
    for path in hand_over(postponed, mirror, state, server):
        assert SECRET not in path.read_text()
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_forced_sync_takes_what_was_imported_for_it(
    postponed: Postponed,
    run: Callable[..., sync.Outcome],
    mirror: Mirror,
    state: State,
    server: Callable[[], ForkServer],
) -> None:
    run()
    with pytest.raises(Postponed) as raised:
        run(SHARES, force=True)
    hand_over(raised.value, mirror, state, server, force=True)
    run(force=True)
    verdict = mirror.read_verdict(postponed.revision)
    assert verdict
    assert verdict.imported == 1  # one has a secret in its error


def test_what_a_lost_or_damaged_or_foreign_shard_lacks_is_imported_by_the_sync(
    postponed: Postponed,
    run: Callable[..., sync.Outcome],
    mirror: Mirror,
    state: State,
    server: Callable[[], ForkServer],
) -> None:
    lost, damaged, foreign = hand_over(postponed, mirror, state, server)
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:100])
    foreign.rename(foreign.with_name("2.another.json"))
    run()
    verdict = mirror.read_verdict(postponed.revision)
    assert verdict
    assert (verdict.imported, verdict.cached) == (len(EXTRAS), 0)


def test_a_revision_that_was_pushed_meanwhile_takes_what_it_did_not_change(
    postponed: Postponed,
    upstream: Upstream,
    run: Callable[..., sync.Outcome],
    mirror: Mirror,
    state: State,
    server: Callable[[], ForkServer],
) -> None:
    hand_over(postponed, mirror, state, server)
    newer = upstream.push({"plain.py": DAG.format(name="plain", extra="# newer")})
    run()
    verdict = mirror.read_verdict(newer)
    assert verdict
    # Changed; uses a clock; ended badly; a secret in the error: none of these outcomes holds for another revision.
    assert (verdict.imported, verdict.cached) == (4, len(EXTRAS) - 4)
