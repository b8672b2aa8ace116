"""What up checks before it starts anything. The supervisor itself is replaced by a note that it was asked for."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.upstream import Upstream

from airlock import source as sources
from airlock.embedded import deployment as deployments, launch, layout as layouts, lock, port, supervision
from airlock.embedded.components import COMPONENT, MARKER
from airlock.embedded.deployment import Deployment
from airlock.embedded.launch import Launched, Options
from airlock.embedded.layout import Layout
from airlock.embedded.supervision import Supervision
from airlock.errors import AirlockError, OperatorError, UsageError
from airlock.state import State


@dataclass
class Launches:
    """The launches of a test, and what they said."""

    layout: Layout
    spawned: list[Layout] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def launch(self, **given: Any) -> Launched:
        return launch.launch(self.layout, Options(**given), parent=None, say=self.said.append)

    def refused(self, **given: Any) -> AirlockError:
        with pytest.raises(AirlockError) as caught:
            self.launch(**given)
        assert self.spawned == []
        return caught.value


@pytest.fixture
def launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launches:
    made = Launches(layouts.of(State(root=tmp_path / "state")))
    monkeypatch.setattr(launch, "_spawn", lambda layout, held, *, parent: made.spawned.append(layout))
    return made


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def held(launches: Launches) -> Iterator[int]:
    """The lock of the deployment, held as a supervisor would."""
    layouts.prepare(launches.layout)
    descriptor = lock.acquire(launches.layout)
    assert descriptor is not None
    yield descriptor
    os.close(descriptor)


def supervise(layout: Layout, phase: str = "running") -> None:
    own = psutil.Process()
    record = Supervision(pid=own.pid, create_time=own.create_time(), started_at=time.time(), phase=phase)
    supervision.write(layout, record)


def test_everything_is_written_down_before_the_supervisor_starts(
    launches: Launches, upstream: Upstream, free_port: int
) -> None:
    upstream.push({"a.py": "1"})
    launched = launches.launch(repo=upstream.url, subdir="/dags/", port=free_port)
    wanted = Deployment(port=free_port, repo=upstream.url, branch="main", subdir="dags")
    assert launched == Launched(deployment=wanted, layout=launches.layout, is_new=True)
    assert deployments.read(launches.layout) == wanted
    assert (launches.layout.airflow / "airflow.cfg").stat().st_mode & 0o777 == 0o600
    assert launches.spawned == [launches.layout]


def test_without_options_the_last_settings_are_used(launches: Launches, upstream: Upstream, free_port: int) -> None:
    upstream.push({"a.py": "1"}, branch="trunk")
    first = launches.launch(repo=upstream.url, branch="trunk", port=free_port)
    assert launches.launch() == first


def test_other_settings_of_the_source_are_kept_until_they_are_empty(
    launches: Launches, upstream: Upstream, free_port: int
) -> None:
    upstream.push({"a.py": "1"})
    upstream.git("tag", "v1")
    first = launches.launch(repo=upstream.url, port=free_port, settings={"tag": "v*", "sparse": ["dags"]})
    assert first.deployment.source(launches.layout).follows == "tag 'v*'"
    assert sources.load({"AIRFLOW_HOME": str(launches.layout.airflow)}) == [first.deployment.source(launches.layout)]
    assert launches.launch() == first
    assert launches.launch(repo=upstream.url) == first
    later = launches.launch(settings={"tag": "", "sparse": [], "depth": 1}).deployment
    assert (later.settings, later.source(launches.layout).follows) == ({"depth": 1}, "branch 'main'")


def test_a_setting_that_cannot_be_is_refused_before_anything_starts(launches: Launches, upstream: Upstream) -> None:
    upstream.push({"a.py": "1"})
    error = launches.refused(repo=upstream.url, settings={"dept": 1})
    assert (error.message, error.hint) == ("source dags.kwargs.dept: unknown setting", "did you mean depth?")
    assert launches.refused(settings={"tga": ""}).hint == "did you mean tag?"
    error = launches.refused(repo=upstream.url, settings={"poll_interval_s": float("nan")})
    assert error.message.startswith("source dags.kwargs.poll_interval_s: nan is too short")
    error = launches.refused(repo=upstream.url, branch="main", settings={"tag": "v1"})
    assert error.message == "--branch main: tag 'v1' is followed"
    assert deployments.read(launches.layout) is None


def test_a_tag_needs_no_branch(launches: Launches, upstream: Upstream, free_port: int) -> None:
    upstream.push({"a.py": "1"}, branch="one")
    upstream.push({"a.py": "2"}, branch="two")
    upstream.git("push", "-q", "origin", "HEAD:refs/tags/v1")
    assert "choose with --branch" in launches.refused(repo=upstream.url, port=free_port).hint
    launched = launches.launch(repo=upstream.url, port=free_port, settings={"tag": "v1"})
    assert launched.deployment.source(launches.layout).follows == "tag 'v1'"


def test_a_taken_port_names_its_owner(launches: Launches) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        error = launches.refused(port=taken)
    assert error.reason == "PortTaken"
    assert re.match(rf"port {taken} of 127\.0\.0\.1 is taken by .+ \(pid {os.getpid()}\)", error.message)


@pytest.mark.parametrize("number", [0, -1, 65536])
def test_what_is_no_port(number: int) -> None:
    with pytest.raises(UsageError, match="from 1 to 65535"):
        port.check_free(number)


def test_a_refused_start_leaves_the_last_settings(launches: Launches, upstream: Upstream, free_port: int) -> None:
    upstream.push({"a.py": "1"})
    launches.launch(repo=upstream.url, port=free_port)
    launches.spawned.clear()
    launches.refused(branch="gone")
    recorded = deployments.read(launches.layout)
    assert recorded is not None
    assert recorded.branch == "main"


def test_a_running_deployment_is_found(launches: Launches, held: int) -> None:
    deployments.write(launches.layout, Deployment(port=8123))
    supervise(launches.layout)
    found = Launched(deployment=Deployment(port=8123), layout=launches.layout, is_new=False)
    assert launches.launch() == found
    assert launches.launch(port=8123, branch="main", settings={"depth": ""}) == found
    assert launches.spawned == []


def test_other_settings_for_a_running_deployment_are_refused(launches: Launches, held: int) -> None:
    deployments.write(launches.layout, Deployment(port=8123))
    supervise(launches.layout)
    error = launches.refused(port=8124, branch="main")
    assert error.reason == "AlreadyRunning"
    assert error.message.endswith("runs already at http://127.0.0.1:8123, with port 8123")
    assert launches.refused(settings={"depth": 1}).message.endswith("with settings (none)")
    assert "airlock down" in error.hint


def test_another_command_at_work_is_waited_for_and_then_told(
    launches: Launches, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_STARTING_S", 0.2)
    monkeypatch.setattr(launch, "_STOPPING_S", 0.2)
    error = launches.refused()
    assert isinstance(error, OperatorError)
    assert error.reason == "StateBusy"


def test_a_deployment_that_stops_is_waited_for(launches: Launches, free_port: int, tmp_path: Path) -> None:
    layouts.prepare(launches.layout)
    code = (
        "import fcntl, sys, time; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX);"
        "print('held', flush=True); time.sleep(0.7)"
    )
    command = [sys.executable, "-c", code, str(launches.layout.lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        supervise(launches.layout, "stopping")
        assert launches.launch(port=free_port).is_new
    assert launches.said == ["waiting for the deployment that stops"]


def test_what_a_killed_deployment_left_is_ended_first(launches: Launches, free_port: int) -> None:
    environ = {**os.environ, MARKER: str(launches.layout.root), COMPONENT: "scheduler"}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environ) as orphan:
        launches.launch(port=free_port)
        assert orphan.wait(5) != 0
    assert launches.said == ["ended what an earlier deployment had left: 1 processes"]


def test_a_record_of_before_a_reboot_is_no_obstacle(launches: Launches, free_port: int) -> None:
    layouts.prepare(launches.layout)
    supervise(launches.layout)  # its process lives, but does not hold the lock
    assert launches.launch(port=free_port).is_new
    assert not launches.layout.supervision.exists()
