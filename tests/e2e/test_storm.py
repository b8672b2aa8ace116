"""Every process of a running Airflow is killed at random while pushes, rollbacks and runs go on.

``AIRLOCK_STORM=200`` makes the storm a long one.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import pytest
from tests.e2e.deployment import Embedded, wait_until
from tests.e2e.processes import of_state

from airlock import git, manifest, mirror as mirrors, pointer, release as releases
from airlock.embedded import supervision
from airlock.embedded.layout import Layout
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State

pytestmark = [pytest.mark.timeout(3600), pytest.mark.embedded]

KILLS = int(os.environ.get("AIRLOCK_STORM", "4"))
STORMY = """
from datetime import timedelta

from airflow.sdk import dag, task
from early_number import EARLY

NUMBER = {number}


@dag(
    schedule=None,
    is_paused_upon_creation=False,
    catchup=False,
    max_active_runs=3,
    default_args={{"retries": 50, "retry_delay": timedelta(seconds=1)}},
)
def stormy():
    @task
    def first():
        return numbers()

    @task
    def second(before):
        return numbers()

    second(first())


def numbers():
    import time

    time.sleep(3)
    from late_number import LATE

    return [NUMBER, EARLY, LATE]


stormy()
"""
EXTRA = STORMY.replace("stormy", "extra")
# A killed task is noticed sooner than in earnest.
HASTE = {
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
}


@dataclass(kw_only=True)
class Storm:
    """What was done to a deployment, and what has to be true of it all the time."""

    deployment: Embedded
    dice: random.Random
    number_of: dict[str, int] = field(default_factory=dict)  # by revision that passes
    pushes: int = 0
    seen: dict[int, psutil.Process] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)

    @property
    def state(self) -> State:
        return State(root=self.deployment.state)

    @property
    def mirror(self) -> Mirror:
        return mirrors.of(self.state, Source(name="dags"))

    def push(self, *, is_good: bool) -> str:
        """Push a good revision, which may lack a DAG that was there before, or one that cannot be imported."""
        self.pushes += 1
        number = self.pushes
        has_extra = self.dice.random() < 0.5
        is_there = (self.deployment.upstream.clone / "extra.py").exists()
        extra = {"extra.py": EXTRA.format(number=number) if has_extra else None} if has_extra or is_there else {}
        revision = self.deployment.upstream.push(
            {
                "stormy.py": STORMY.format(number=number),
                "early_number.py": f"EARLY = {number}\n" if is_good else "EARLY = 1 / 0\n",
                "late_number.py": f"LATE = {number}\n",
                **extra,
            }
        )
        if is_good:
            self.number_of[revision] = number
        return revision

    def ask(self, dag_id: str, conf: dict[str, Any] | None = None) -> None:
        """Trigger a DAG; while the storm goes on nobody may be there to answer."""
        with suppress(httpx.HTTPError, AssertionError, KeyError, ValueError):
            self.deployment.trigger(dag_id, conf)

    def unfinished(self, dag_id: str) -> list[str]:
        runs = self.deployment.runs(dag_id)
        return [run["dag_run_id"] for run in runs if run["state"] in ("queued", "running")]

    def look(self) -> None:
        """Assert what is true at any moment: live is a release, and every release passed."""
        live = pointer.live(self.mirror.path)
        assert live in self.number_of, f"{live} is live and never passed"
        history = releases.history(self.mirror)
        assert {release.revision for release in history} <= self.number_of.keys()
        assert [release.number for release in history] == list(range(len(history), 0, -1))

    def watch(self, seconds: float) -> None:
        """Let time pass, and look all the while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            time.sleep(0.2)

    def kill(self, kind: str) -> None:
        """Kill one process of this kind, if there is one now."""
        record = supervision.read(Layout(root=self.deployment.state))
        components = {one.pid: one.name for one in (record.components if record else ()) if one.pid}
        families: dict[str, list[psutil.Process]] = {}
        for pid, name in components.items():
            with suppress(psutil.Error):
                families[name] = psutil.Process(pid).children(recursive=True)
        workers = [one for one in families.get("scheduler", []) if _parent(one) in components]
        tasks = [one for one in families.get("scheduler", []) if one not in workers]
        others = [one for name, family in families.items() if name != "scheduler" for one in family]
        self.seen |= {one.pid: one for family in families.values() for one in family}
        own = [psutil.Process(pid) for pid in components if psutil.pid_exists(pid)]
        victims = {"task": tasks, "worker": workers, "other": others, "component": own}[kind]
        if not victims:
            return
        victim = self.dice.choice(victims)
        with suppress(psutil.Error):
            self.killed.append(f"{kind}: {components.get(victim.pid) or ' '.join(victim.cmdline())[:80]}")
            victim.kill()


def test_random_kills_of_a_running_airflow_lose_neither_live_nor_a_run(
    new_deployment: Callable[[str], Embedded],
) -> None:
    deployment = new_deployment("storm")
    deployment.variables |= HASTE
    storm = Storm(deployment=deployment, dice=random.Random(7))
    storm.push(is_good=True)
    done = deployment.up()
    assert done.returncode == 0, done.stdout + done.stderr
    is_held = False
    while len(storm.killed) < KILLS:
        if storm.dice.random() < 0.5:
            storm.push(is_good=storm.dice.random() < 0.7)
        if storm.dice.random() < 0.3:
            storm.ask("stormy")
        if is_held or storm.dice.random() < 0.06:
            storm.ask("airlock_release_dags", {"action": "resume" if is_held else "rollback", "number": None})
            is_held = not is_held
        storm.watch(storm.dice.uniform(0.0, 5.0))
        # Most often what a task runs in or has started: there is none while a killed component comes back.
        (kind,) = storm.dice.choices(["task", "worker", "other", "component"], [70, 10, 10, 10])
        storm.kill(kind)
    print(*storm.killed, f"{len(releases.history(storm.mirror))} releases of {storm.pushes} pushes", sep="\n")

    wait_until(lambda: _is_up(deployment), "every component", timeout_s=120)
    wait_until(lambda: not storm.unfinished("airlock_release_dags"), "the end of all rollbacks", timeout_s=240)
    last = storm.push(is_good=True)
    if deployment.source()["hold"]:
        deployment.trigger("airlock_release_dags", {"action": "resume", "number": None, "reason": "calm"})
    deployment.wait_for_live(last, timeout_s=240)
    storm.ask("stormy")
    _finish(storm)
    storm.look()
    _assert_nothing_is_left(storm)
    deployment.down()
    wait_until(lambda: of_state(deployment.state) == [], "the end of every process", timeout_s=30)
    assert [one for one in storm.seen.values() if one.is_running()] == []


def _finish(storm: Storm) -> None:
    """Assert that every run ends well, on the code that it began with."""
    count = len(storm.unfinished("stormy"))
    wait_until(lambda: not storm.unfinished("stormy"), f"the end of {count} runs", timeout_s=120 + 30 * count)
    runs = storm.deployment.runs("stormy")
    assert {run["state"] for run in runs} == {"success"}
    for run in runs:
        number = storm.number_of[run["bundle_version"]]
        for task_id in ("first", "second"):
            path = f"/api/v2/dags/stormy/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}/xcomEntries/return_value"
            assert storm.deployment.api("GET", f"{path}?deserialize=true").json()["value"] == [number] * 3


def _assert_nothing_is_left(storm: Storm) -> None:
    state, mirror = storm.state, storm.state.mirror("dags")
    assert {path.name for path in state.sources.iterdir()} == {"dags.git", "dags.lock", "dags.fetch", ".staging"}
    places = (state.sources / ".staging", state.trees("dags").with_name("staging"), state.cache / "validate")

    def left() -> list[str]:
        stray = [*state.enquiry("dags").glob(".*"), *mirror.rglob("*.lock"), *mirror.rglob("tmp_*")]
        return [str(path) for place in places for path in place.iterdir()] + [str(path) for path in stray]

    wait_until(lambda: not left(), f"leftovers to go: {left()}", timeout_s=30)
    git.run(mirror, "fsck", "--connectivity-only", "--no-dangling")
    trees = {path.name: path for path in state.trees("dags").iterdir() if path.name != "empty"}
    assert trees.keys() <= storm.number_of.keys()
    assert {manifest.damage(tree) for tree in trees.values()} == {frozenset()}


def _is_up(deployment: Embedded) -> bool:
    with suppress(httpx.HTTPError, KeyError, ValueError):
        answer = httpx.get(f"{deployment.url}/api/v2/monitor/health", timeout=10).json()
        return all(part["status"] == "healthy" for part in answer.values()) and bool(deployment.source())
    return False


def _parent(process: psutil.Process) -> int | None:
    with suppress(psutil.Error):
        return process.ppid()
    return None
