"""``python -m airlock.embedded.supervisor STATE``: prepares Airflow, then starts its components and keeps them alive.

It holds the deployment's lock, which ``up`` handed to it, until everything it started is gone.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from airlock.embedded import components, leftovers, logs, supervision
from airlock.embedded.child import Child
from airlock.embedded.components import Component
from airlock.embedded.layout import Layout
from airlock.embedded.supervision import Supervision

_LOGS_EVERY_S = 30.0
_PREPARE_S = 600.0

log = logging.getLogger("airlock.supervisor")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Times in seconds; tests use shorter ones."""

    tick_s: float = 0.5
    first_delay_s: float = 1.0
    grace_s: float = 10.0


class Supervisor:
    """Keeps the components of one deployment running until it is asked to stop.

    ``pace`` are the times between its looks, before a restart, and until what does not stop is killed.
    """

    def __init__(
        self, layout: Layout, watched: Sequence[Component], *, environ: Mapping[str, str], pace: Pace | None = None
    ) -> None:
        self._layout = layout
        self._pace = pace or Pace()
        self._environ = environ
        self._children = [self._child(component) for component in watched]
        self._requests = threading.Event()
        self._is_hurried = False
        own = psutil.Process()
        self._record = Supervision(
            pid=own.pid, create_time=own.create_time(), started_at=time.time(), phase="preparing"
        )

    def request_stop(self) -> None:
        """Ask for an orderly stop; asked again, whatever still runs is killed at once."""
        self._is_hurried = self._requests.is_set()
        self._requests.set()

    def run(self, preparation: Component, *, is_orphaned: Callable[[], bool] = lambda: False) -> int:
        """Prepare, supervise, stop; return the exit status. ``is_orphaned`` is asked all the time; true means stop."""
        self._note("preparing")
        try:
            if not self._prepare(preparation):
                return 0 if self._requests.is_set() else 2
            for child in self._children:
                self._start(child)
            self._note("running")
            self._watch(is_orphaned)
        finally:
            if self._record.phase != "failed":
                self._note("stopping")
            self._stop()
        return 0

    def _child(self, component: Component) -> Child:
        return Child(
            component,
            environ=self._environ,
            cwd=self._layout.airflow,
            log=self._layout.log(component.name),
            first_delay_s=self._pace.first_delay_s,
        )

    def _prepare(self, preparation: Component) -> bool:
        child = self._child(preparation)
        if not self._start(child):
            self._note("failed", f"{preparation.name} was {child.watched.last_exit}")
            return False
        deadline = time.monotonic() + _PREPARE_S
        status = None
        try:
            while status is None and time.monotonic() < deadline and not self._requests.is_set():
                status = child.wait(self._pace.tick_s)
        finally:
            child.end(grace_s=0)
        if status != 0 and not self._requests.is_set():
            ending = "did not end in time" if status is None else f"ended with status {status}"
            self._note("failed", f"{preparation.name} {ending}; see {self._layout.log(preparation.name)}")
        return status == 0

    def _watch(self, is_orphaned: Callable[[], bool]) -> None:
        next_logs_s = 0.0
        while not self._requests.wait(self._pace.tick_s):
            if is_orphaned():
                log.info("the airlock up that started this is gone: stopping")
                return
            for child in self._children:
                self._tend(child)
            if time.monotonic() >= next_logs_s:
                for path in self._layout.logs.glob("*.log"):
                    logs.bound(path)
                next_logs_s = time.monotonic() + _LOGS_EVERY_S

    def _tend(self, child: Child) -> None:
        name = child.component.name
        if ending := child.reap():
            # What the dead process had started would go on beside its successor: a scheduler's workers wait for ever.
            swept = leftovers.sweep(self._layout, component=name)
            log.warning("%s ended with %s; %d of its processes were left", name, ending, swept)
            self._note("running")
        if child.is_due:
            self._start(child)
            self._note("running")

    def _start(self, child: Child) -> bool:
        try:
            child.start()
        except OSError as error:
            log.warning("%s cannot be started: %s", child.component.name, error)
            return False
        log.info("%s started, pid %s", child.component.name, child.watched.pid)
        return True

    def _stop(self) -> None:
        """Stop the first component last: what the others finish in their grace needs it."""
        for wave in (self._children[1:], self._children[:1]):
            for child in wave:
                child.ask_to_end()
            deadline = time.monotonic() + self._pace.grace_s
            for child in reversed(wave):
                child.end(grace_s=0 if self._is_hurried else max(0.0, deadline - time.monotonic()))
                log.info("%s stopped", child.component.name)
        for name in [child.component.name for child in self._children]:
            leftovers.sweep(self._layout, component=name)

    def _note(self, phase: str, message: str = "") -> None:
        watched = tuple(child.watched for child in self._children)
        self._record = replace(self._record, phase=phase, message=message, components=watched)
        try:
            supervision.write(self._layout, self._record)
        except OSError as error:  # a full disk must not take down what runs
            log.warning("%s cannot be written: %s", self._layout.supervision, error)


def main(argv: Sequence[str]) -> int:
    """Run the supervisor of the deployment whose state directory is given."""
    parser = argparse.ArgumentParser(prog="airlock.embedded.supervisor")
    parser.add_argument("state", type=Path)
    parser.add_argument("--parent", type=int, help="stop when this process is gone")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    layout = Layout(root=args.state)
    environ = components.environment(layout, os.environ)
    supervisor = Supervisor(layout, components.airflow_components(), environ=environ)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.request_stop())
    return supervisor.run(
        components.preparation(), is_orphaned=lambda: args.parent is not None and os.getppid() != args.parent
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
