"""The warm process need not be a child of the judge: a socket that both can reach is enough."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from airlock.validate import environment
from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge
from airlock.validate.launch import Launch, LocalLaunch
from airlock.validate.limits import Limits

DAG = """
from airflow.sdk import DAG, Variable
with DAG("asks", schedule=None, tags=[Variable.get("tag")]):
    pass
"""


@dataclass(frozen=True)
class Connected:
    control: socket.socket
    process: subprocess.Popen[bytes]

    def log_tail(self) -> str:
        return "kept elsewhere"

    def status(self) -> int | None:
        return self.process.wait(timeout=30)

    def stop(self) -> None:
        self.control.close()
        self.process.wait(timeout=30)


class ConnectingLaunch:
    """Starts the warm process as a container does: it gets a path to connect to, and a TMPDIR of its own."""

    def __init__(self, tmpdir: Path) -> None:
        self.tmpdir = tmpdir

    def start(self, scratch: Path) -> Connected:
        path = scratch / "control"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(1)
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "airlock.validate.warm", str(path)],
                env=environment.for_children(os.environ, scratch) | {"TMPDIR": str(self.tmpdir)},
            )
            control, _ = listening.accept()
        return Connected(control, process)


@pytest.fixture(params=["local", "connecting"])
def launch(request: pytest.FixtureRequest, tmp_path: Path) -> Launch:
    if request.param == "local":
        return LocalLaunch()
    (tmp_path / "own").mkdir()
    return ConnectingLaunch(tmp_path / "own")


def resolve(body: object) -> dict[str, str]:
    return {"type": "VariableResult", "key": "tag", "value": "told"}


def test_a_tree_is_judged_the_same_however_the_warm_process_was_started(launch: Launch, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "asks.py").write_text(DAG)
    (root / "exits.py").write_text("import os  # airflow dag\nopen('left', 'w').close()\nos._exit(3)\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with ForkServer(Answers(resolve), scratch=scratch, launch=launch) as server:
        verdict = judge(Subject(revision="r", root=root), server)
    assert [(dag.dag_id, dag.tags) for dag in verdict.dags] == [("asks", ("told",))]
    assert [(finding.rule, finding.file) for finding in verdict.findings] == [("crash", "exits.py")]
    assert not list(scratch.iterdir())
    assert not list((tmp_path / "own").glob("*"))


def test_a_late_child_is_killed_by_the_warm_process(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(
        "import signal  # airflow dag\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "while True: pass\n"
    )
    before = len(psutil.Process().children(recursive=True))
    with ForkServer(Answers(), launch=launch, limits=Limits(file_s=2)) as server:
        verdict = judge(Subject(revision="r", root=tmp_path), server)
        assert len(psutil.Process().children(recursive=True)) == before + 1
    assert [(finding.rule, finding.file) for finding in verdict.findings] == [("time-out", "endless.py")]


def test_a_judge_that_is_killed_while_it_stops_a_starting_warm_process_leaves_none(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
import psutil
from airlock.validate.launch import LocalLaunch

warm = LocalLaunch().start(Path(sys.argv[1]))
print(warm.process.pid, flush=True)
psutil.Process.children = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
warm.stop()
"""
    judging = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert judging.returncode == -signal.SIGKILL, judging.stderr
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(judging.stdout)).wait(timeout=60)
