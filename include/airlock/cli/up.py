"""``airlock up``: Airflow on this machine, following a DAG repository through the gate."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from airlock import project, source as sources
from airlock.cli import options, report
from airlock.embedded import launch, layout as layouts, logs, readiness, stop, supervision
from airlock.embedded.launch import Launched
from airlock.embedded.layout import Layout
from airlock.embedded.readiness import Outcome
from airlock.errors import OperatorError
from airlock.process import redact
from airlock.secret import ADMIN
from airlock.state import State

HELP = "start Airflow on this machine and follow a DAG repository; ready when its first release is live"
EXAMPLE = "airlock up --detach --repo https://git.example.com/team/dags.git --branch main"

_PAUSE_S = 0.5
_OPTIONS = {"repo_url": "--repo", "branch": "--branch", "subdir": "--subdir", "git_conn_id": "--conn-id"}

_Say = Callable[[str], None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``airlock up``."""
    parser.add_argument("--repo", metavar="URL", help="DAG repository to follow (default: a sample repository is made)")
    parser.add_argument("--branch", metavar="B", help="branch to follow (default: the repository's own default)")
    parser.add_argument("--subdir", metavar="D", help="folder of the repository that holds the DAG files")
    parser.add_argument("--conn-id", metavar="ID", help="Airflow connection (type git) that has the credentials")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        type=_setting,
        default=[],
        help="another setting of the source (docs/configuration.md), such as tag='v*'; may be repeated",
    )
    parser.add_argument("--port", metavar="N", type=int, help="port of the UI and API on 127.0.0.1 (default: 8080)")
    parser.add_argument("--detach", action="store_true", help="return when it is ready, and leave it running")
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Start the deployment, or find it running; 0 live, 1 the first revision did not pass, 2 it could not start.

    With status 2 nothing is left running. Without ``--detach`` it runs until Ctrl-C or SIGTERM.
    """
    state = options.state_of(args)
    layout = layouts.of(state)
    say = _speaker(sys.stderr if args.json else sys.stdout)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _terminate)
    asked = launch.Options(
        repo=args.repo,
        branch=args.branch,
        subdir=args.subdir,
        port=args.port,
        conn_id=args.conn_id,
        settings=dict(args.set) or None,
    )
    try:
        launched = launch.launch(layout, asked, parent=None if args.detach else os.getpid(), say=say)
        try:
            outcome = _await_ready(state, launched, say)
        except BaseException:
            if launched.is_new:
                _stop(layout, say)
            raise
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise layouts.disk_full(layout.root) from error
    print(json.dumps(_document(launched, outcome)) if args.json else _text(launched, outcome), flush=True)
    if launched.is_new and not args.detach:
        return _attend(layout, say)
    return 0 if outcome.result == "live" else 1


def _await_ready(state: State, launched: Launched, say: _Say) -> Outcome:
    layout, deployment = launched.layout, launched.deployment
    if not launched.is_new:
        say(f"the deployment in {layout.root} runs already")
    step = say if launched.is_new else _unsaid
    started = time.monotonic()
    folder = f", folder {deployment.subdir}" if deployment.subdir else ""
    step(f"1/5 follows {deployment.source(layout).follows} of {_followed(launched)}{folder}")
    step("2/5 prepares Airflow's database")
    readiness.await_healthy(
        layout,
        deployment,
        on_running=lambda: step("3/5 starts api-server, dag-processor, scheduler and triggerer"),
    )
    step(f"4/5 Airflow is healthy after {time.monotonic() - started:.0f} s; waits for the first release")
    password = layout.password.read_text("utf-8").strip()
    outcome = readiness.await_release(state, layout, deployment, password=password)
    step(f"5/5 {'ready' if outcome.result == 'live' else outcome.result} after {time.monotonic() - started:.0f} s")
    return outcome


def _attend(layout: Layout, say: _Say) -> int:
    say("Ctrl-C stops it")
    failures: dict[str, int] = {}
    try:
        while (record := supervision.running(layout)) is not None:
            for component in record.components:
                if component.failures > failures.get(component.name, 0):
                    say(f"{component.name} ended ({component.last_exit}) and is started again")
                failures[component.name] = component.failures
            time.sleep(_PAUSE_S)
    except KeyboardInterrupt:
        _stop(layout, say)
        return 130
    except SystemExit:
        _stop(layout, say)
        return 0
    stop.stop(layout)
    raise OperatorError(
        f"the supervisor has ended\n{logs.tail(layout.log('supervisor'))}", hint="airlock up starts it again"
    )


def _stop(layout: Layout, say: _Say) -> None:
    say("stopping")
    try:
        stop.stop(layout)
    except (KeyboardInterrupt, SystemExit):
        stop.stop(layout)  # asked twice, the supervisor kills what still runs
    say("stopped")


def _text(launched: Launched, outcome: Outcome) -> str:
    layout, deployment = launched.layout, launched.deployment
    lines = [""]
    if outcome.result == "live":
        assert outcome.source.live is not None
        lines.append(f"release {outcome.source.live.release} is live: {outcome.source.live.revision[:12]}")
    elif outcome.source.last_verdict is not None:
        lines += ["the revision did not pass, so nothing is live yet:", report.text(outcome.source.last_verdict)]
        lines.append("the deployment runs: push a commit that mends this")
    password = layout.password.read_text("utf-8").strip()
    lines += [
        "",
        f"  Airflow    {deployment.url}",
        f"  login      {ADMIN} / {password}   (kept in {layout.password})",
        f"  follows    {_followed(launched)}, {deployment.source(layout).follows}",
    ]
    if deployment.is_sample:
        lines.append(f"  your DAGs  {layout.sample_clone}")
    program = "./airlock" if Path.cwd() == project.ROOT else shlex.quote(str(project.ROOT / "airlock"))
    at = "" if layout.root == project.ROOT / ".airlock" else f" --state {shlex.quote(str(layout.root))}"
    lines += ["", "change a DAG and push it; a few seconds later it is live, if it passes"]
    if deployment.is_sample:
        lines.append(f"  cd {shlex.quote(str(layout.sample_clone))} && git commit -am 'try it' && git push")
    lines += [
        "",
        "what to try next:",
        f"  {program} status{at}        what is live, and what is wrong with the last push",
        f"  {program} sync --wait{at}   sync now",
        f"  {program} down{at}          stop; the state stays",
    ]
    return "\n".join(lines)


def _document(launched: Launched, outcome: Outcome) -> dict[str, Any]:
    layout, deployment = launched.layout, launched.deployment
    return {
        "result": outcome.result,
        "url": deployment.url,
        "user": ADMIN,
        "password_file": str(layout.password),
        "state": str(layout.root),
        "started": launched.is_new,
        "repo": redact(deployment.repo_url(layout)),
        "branch": deployment.branch if deployment.has_branch else None,
        "follows": deployment.source(layout).follows,
        "subdir": deployment.subdir,
        "clone": str(layout.sample_clone) if deployment.is_sample else None,
        "source": outcome.source.to_json(),
    }


def _followed(launched: Launched) -> str:
    return redact(launched.deployment.repo_url(launched.layout)) or f"connection {launched.deployment.conn_id}"


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} has no =")
    if key in _OPTIONS:
        raise argparse.ArgumentTypeError(f"{key} has an option of its own: {_OPTIONS[key]}")
    return key, sources.value_of(key, value)


def _unsaid(_: str) -> None:
    return


def _speaker(stream: Any) -> _Say:
    return lambda line: print(f"airlock: {line}", file=stream, flush=True)


def _terminate(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
