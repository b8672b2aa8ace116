"""The supervisor with small programs in the place of Airflow: real processes, killed in every way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from airlock import project
from airlock.embedded import layout as layouts, leftovers, lock, stop, supervision
from airlock.embedded.components import MARKER
from airlock.embedded.layout import Layout
from airlock.embedded.supervision import Supervision

# Stands in for airlock.embedded.supervisor's main(): the same class, other programs.
DRIVER = """
import json, os, signal, sys
from pathlib import Path
from airlock.embedded import lock
from airlock.embedded.components import MARKER, Component
from airlock.embedded.layout import Layout
from airlock.embedded.supervisor import Pace, Supervisor

layout = Layout(root=Path(sys.argv[1]))
programs = json.loads(sys.argv[2])
parent = int(sys.argv[3])
held = lock.acquire(layout)
assert held is not None
python = (sys.executable, "-u", "-c")
watched = [Component(name=name, argv=(*python, code)) for name, code in programs.items() if name != "prepare"]
environ = {**os.environ, MARKER: str(layout.root)}
supervisor = Supervisor(layout, watched, environ=environ, pace=Pace(tick_s=0.05, first_delay_s=0.2, grace_s=1))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: supervisor.request_stop())
preparation = Component(name="prepare", argv=(*python, programs.get("prepare", "")))
sys.exit(supervisor.run(preparation, is_orphaned=lambda: parent != 0 and os.getppid() != parent))
"""
STEADY = "import time; print('steady', flush=True); time.sleep(600)"
# With a child, and a child that left the session as a task's own subprocess may.
FAMILY = f"""
import subprocess, sys, time
for new_session in (False, True):
    subprocess.Popen([sys.executable, "-c", {STEADY!r}], start_new_session=new_session)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
CRASHING = "import sys; print('crash'); sys.exit(3)"

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    made = Layout(root=tmp_path / "a state")
    layouts.prepare(made)
    yield made
    leftovers.sweep(made)


@pytest.fixture
def start(layout: Layout) -> Iterator[Start]:
    """Return a function that starts a supervisor of the given programs."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(parent: int = 0, **programs: str) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": str(project.ROOT / "include")}
        command = [sys.executable, "-P", "-c", DRIVER, str(layout.root), json.dumps(programs), str(parent)]
        started.append(subprocess.Popen(command, env=environ, start_new_session=True))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def until(condition: Callable[[], object], *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def record(layout: Layout) -> Supervision:
    found = supervision.read(layout)
    assert found is not None
    return found


def pid_of(layout: Layout, name: str) -> int | None:
    found = supervision.read(layout)
    return next((one.pid for one in found.components if one.name == name), None) if found else None


def until_running(layout: Layout, processes: int) -> None:
    until(lambda: len(leftovers.find(layout)) >= processes and record(layout).phase == "running")


def test_each_component_runs_in_a_session_of_its_own(layout: Layout, start: Start) -> None:
    process = start(one=STEADY, two=STEADY)
    until_running(layout, 2)
    pids = [component.pid for component in record(layout).components]
    assert [os.getsid(pid) for pid in pids if pid] == pids
    assert record(layout).pid == process.pid
    assert supervision.running(layout) == record(layout)


def test_a_stop_leaves_nothing(layout: Layout, start: Start) -> None:
    process = start(one=FAMILY, two=STEADY)
    until_running(layout, 4)
    process.terminate()
    assert process.wait(20) == 0
    assert leftovers.find(layout) == []
    assert supervision.running(layout) is None


def test_what_does_not_stop_is_killed_after_the_grace(layout: Layout, start: Start) -> None:
    process = start(one=STUBBORN)
    until(lambda: layout.log("one").exists() and "deaf" in layout.log("one").read_text())
    began = time.monotonic()
    process.terminate()
    assert process.wait(20) == 0
    assert 1 <= time.monotonic() - began < 5
    assert leftovers.find(layout) == []


def test_the_first_component_stops_last(layout: Layout, start: Start) -> None:
    note = "import pathlib, signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit())\nprint('up')\n"
    note += "try:\n    time.sleep(600)\nfinally:\n    time.sleep({pause})\n    print(time.time())"
    process = start(api=note.format(pause=0), one=note.format(pause=0.5), two=note.format(pause=0.5))
    until(lambda: all(layout.log(name).exists() and layout.log(name).read_text() for name in ("api", "one", "two")))
    process.terminate()
    process.wait(20)
    ended = {name: float(layout.log(name).read_text().split()[1]) for name in ("api", "one", "two")}
    assert ended["api"] > max(ended["one"], ended["two"])
    assert abs(ended["one"] - ended["two"]) < 0.4  # the others at the same time


def test_a_killed_component_is_started_again_without_its_old_children(layout: Layout, start: Start) -> None:
    start(one=FAMILY, two=STEADY)
    until_running(layout, 4)
    first, other = pid_of(layout, "one"), pid_of(layout, "two")
    assert first is not None
    old = {process.pid for process in leftovers.find(layout, component="one")}
    os.kill(first, signal.SIGKILL)
    until(lambda: pid_of(layout, "one") not in (None, first))
    until(lambda: len(leftovers.find(layout, component="one")) == 3)
    assert not old & {process.pid for process in leftovers.find(layout)}
    assert pid_of(layout, "two") == other
    one = record(layout).components[0]
    assert (one.failures, one.last_exit) == (1, "SIGKILL")


def test_a_crashing_component_is_tried_less_and_less_often(layout: Layout, start: Start) -> None:
    start(bad=CRASHING, good=STEADY)
    until(
        lambda: (
            supervision.read(layout)
            and record(layout).phase == "running"
            and record(layout).components[0].failures >= 3
        )
    )
    good = pid_of(layout, "good")
    time.sleep(0.4)  # the fourth start comes 0.8 s after the third end
    assert layout.log("bad").read_text().count("crash") == 3
    assert record(layout).components[0].last_exit == "status 3"
    assert pid_of(layout, "good") == good


def test_a_killed_supervisor_leaves_nothing_after_down(layout: Layout, start: Start) -> None:
    process = start(one=FAMILY, two=STUBBORN)
    until_running(layout, 4)
    process.kill()
    process.wait()
    stopped = stop.stop(layout)
    assert not stopped.was_running
    assert leftovers.find(layout) == []
    assert stop.stop(layout).leftovers == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_components_end_by_themselves_when_the_supervisor_is_killed(layout: Layout, start: Start) -> None:
    process = start(one=STEADY, two=STEADY)
    until_running(layout, 2)
    process.kill()
    process.wait()
    until(lambda: leftovers.find(layout) == [])


def test_stop_waits_for_the_supervisor_and_frees_the_lock(layout: Layout, start: Start) -> None:
    process = start(one=FAMILY)
    until_running(layout, 3)
    assert lock.acquire(layout) is None
    assert stop.stop(layout).was_running
    assert process.wait(5) == 0
    held = lock.acquire(layout)
    assert held is not None
    os.close(held)


def test_stop_of_what_never_ran(tmp_path: Path) -> None:
    assert stop.stop(Layout(root=tmp_path / "nothing")) == stop.Stopped(was_running=False, leftovers=0)


def test_it_stops_with_the_up_that_started_it(layout: Layout, start: Start) -> None:
    process = start(parent=os.getpid() + 1, one=FAMILY)  # not its parent: as if that had gone
    assert process.wait(20) == 0
    assert leftovers.find(layout) == []


def test_a_second_request_does_not_wait(layout: Layout, start: Start) -> None:
    process = start(one=STUBBORN, two=STUBBORN, three=STUBBORN)
    until(lambda: "deaf" in "".join(path.read_text() for path in layout.logs.glob("three.log")))
    process.terminate()
    time.sleep(0.3)
    began = time.monotonic()
    process.terminate()
    process.wait(20)
    assert time.monotonic() - began < 1.5  # one grace period may be under way
    assert leftovers.find(layout) == []


def test_a_failed_preparation_starts_nothing(layout: Layout, start: Start) -> None:
    process = start(prepare="print('no such table'); raise SystemExit(1)", one=STEADY)
    assert process.wait(20) == 2
    assert record(layout).phase == "failed"
    assert record(layout).message.startswith("prepare ended with status 1; see ")
    assert "no such table" in layout.log("prepare").read_text()
    assert not layout.log("one").exists()


def test_a_stop_during_the_preparation(layout: Layout, start: Start) -> None:
    process = start(prepare=FAMILY, one=STEADY)
    until(lambda: len(leftovers.find(layout, component="prepare")) == 3)
    process.terminate()
    assert process.wait(20) == 0
    assert leftovers.find(layout) == []


def test_a_pid_that_another_program_has_now_is_not_the_supervisor(layout: Layout) -> None:
    own = psutil.Process()
    stale = Supervision(pid=own.pid, create_time=own.create_time() - 3600, started_at=time.time(), phase="running")
    supervision.write(layout, stale)
    assert supervision.running(layout) is None
    assert stop.stop(layout) == stop.Stopped(was_running=False, leftovers=0)


def test_an_unreadable_record_is_no_record(layout: Layout) -> None:
    layout.supervision.write_text('{"pid": 1')
    assert supervision.read(layout) is None


def test_processes_of_another_deployment_are_spared(layout: Layout, tmp_path: Path) -> None:
    other = Layout(root=tmp_path / "a state 2")
    environ = {**os.environ, MARKER: str(other.root)}
    with subprocess.Popen([sys.executable, "-c", STEADY], env=environ) as process:
        try:
            assert leftovers.sweep(layout) == 0
            assert process.poll() is None
            assert [found.pid for found in leftovers.find(other)] == [process.pid]
        finally:
            process.kill()


def test_a_disk_that_is_full_does_not_take_down_what_runs(layout: Layout, start: Start) -> None:
    process = start(one=STEADY)
    until_running(layout, 1)
    first = pid_of(layout, "one")
    assert first is not None
    layout.run.rename(layout.run.with_name("gone"))  # nothing can be written there now, as on a full disk
    os.kill(first, signal.SIGKILL)
    until(lambda: {found.pid for found in leftovers.find(layout)} - {first, process.pid})
    assert process.poll() is None
    layout.run.with_name("gone").rename(layout.run)


def test_a_component_that_cannot_be_started_is_tried_again(layout: Layout, start: Start) -> None:
    layout.log("one").mkdir()
    start(one=STEADY, two=STEADY)
    until(lambda: supervision.read(layout) and record(layout).phase == "running")
    assert record(layout).components[0].last_exit == "not started: Is a directory"
    layout.log("one").rmdir()
    until(lambda: pid_of(layout, "one") is not None)
