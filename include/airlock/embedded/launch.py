"""Starts the supervisor of a deployment, after everything that can be checked beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airlock import project, secret, source as sources
from airlock.embedded import (
    components,
    deployment as deployments,
    layout as layouts,
    leftovers,
    lock,
    port,
    repository,
    settings,
    supervision,
)
from airlock.embedded.deployment import Deployment
from airlock.embedded.layout import Layout
from airlock.errors import OperatorError, UsageError
from airlock.process import redact

_STOPPING_S = 60.0
_STARTING_S = 15.0
_PAUSE_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Options:
    """What ``up`` was given; ``None`` means what the last ``up`` had."""

    repo: str | None = None
    branch: str | None = None
    subdir: str | None = None
    port: int | None = None
    conn_id: str | None = None
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A deployment whose supervisor runs. ``is_new`` says that this call started it."""

    deployment: Deployment
    layout: Layout
    is_new: bool


def launch(layout: Layout, options: Options, *, parent: int | None, say: Callable[[str], None]) -> Launched:
    """Start a deployment, or find that it runs already with what was asked for.

    ``parent`` is the process that must live for the deployment to go on, ``None`` when it goes on alone.
    Raises ``UsageError`` and ``OperatorError`` when it cannot start; then nothing was started.
    """
    layouts.prepare(layout)
    options = _normalised(options)
    held = lock.acquire(layout)
    if held is None:
        running = _running(layout, options, say=say)
        if running is not None:
            return running
        held = lock.acquire(layout, wait_s=_STOPPING_S)
        if held is None:
            raise _busy(layout)
    try:
        deployment = _prepared(layout, options, say=say)
        _spawn(layout, held, parent=parent)
    finally:
        os.close(held)
    return Launched(deployment=deployment, layout=layout, is_new=True)


def _normalised(options: Options) -> Options:
    repo = None if options.repo is None else repository.normalised(options.repo)
    subdir = None if options.subdir is None else options.subdir.strip("/")
    return Options(**{**asdict(options), "repo": repo, "subdir": subdir})


def _prepared(layout: Layout, options: Options, *, say: Callable[[str], None]) -> Deployment:
    """Check and write down everything that the components need."""
    deployment = deployments.merged(deployments.read(layout), **asdict(options))
    _check(deployment, options, layout)
    if count := leftovers.sweep(layout):
        say(f"ended what an earlier deployment had left: {count} processes")
    port.check_free(deployment.port)
    deployment = repository.settled(deployment, layout)
    deployment.source(layout)  # the repository's default branch may have a name that cannot be followed
    secrets = secret.load(layout.secrets)
    secret.write_private(layout.passwords, json.dumps({secret.ADMIN: secrets.admin_password}))
    secret.write_private(layout.airflow / "airflow.cfg", settings.config_text(layout, deployment, secrets))
    deployments.write(layout, deployment)
    layout.supervision.unlink(missing_ok=True)
    return deployment


def _check(deployment: Deployment, options: Options, layout: Layout) -> None:
    """Check what the deployment would follow, before its repository is asked."""
    for name in options.settings or {}:  # an empty one of a wrong name would not be seen
        sources.check_name(name, path=f"source {deployments.SOURCE}.kwargs")
    source = deployment.source(layout)
    if options.branch and not deployment.has_branch:
        raise UsageError(
            f"--branch {options.branch}: {source.follows} is followed",
            hint="to follow the branch, add --set tag= --set commit=",
        )


def _spawn(layout: Layout, held: int, *, parent: int | None) -> None:
    command = [sys.executable, "-P", "-m", "airlock.embedded.supervisor", str(layout.root)]
    environ = {
        **os.environ,
        "PYTHONPATH": str(project.ROOT / "include"),
        components.MARKER: str(layout.root),
        components.COMPONENT: "supervisor",
    }
    with layout.log("supervisor").open("ab") as output:
        process = subprocess.Popen(
            command if parent is None else [*command, "--parent", str(parent)],
            env=environ,
            cwd=layout.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(held,),
        )
    deadline = time.monotonic() + _STARTING_S
    while supervision.running(layout) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise OperatorError(
                "the supervisor did not start", hint=f"see {layout.log('supervisor')}", reason="SupervisorFailed"
            )
        time.sleep(_PAUSE_S)


def _running(layout: Layout, options: Options, *, say: Callable[[str], None]) -> Launched | None:
    """Return the deployment that runs, ``None`` when it is about to stop."""
    deadline = time.monotonic() + _STARTING_S
    while (record := supervision.running(layout)) is None:
        if time.monotonic() > deadline:
            return None
        time.sleep(_PAUSE_S)
    if record.phase in {"stopping", "failed"}:
        say("waiting for the deployment that stops")
        return None
    deployment = deployments.read(layout)
    if deployment is None:
        raise _busy(layout)
    _check(deployments.merged(deployment, **asdict(options)), options, layout)
    given = {name: value for name, value in asdict(options).items() if value is not None}
    given["settings"] = deployments.changed(deployment.settings, options.settings or {})
    differing = [name for name, value in given.items() if getattr(deployment, name) != value]
    if differing:
        has = ", ".join(f"{name} {_told(getattr(deployment, name))}" for name in differing)
        raise UsageError(
            f"the deployment in {layout.root} runs already at {deployment.url}, with {has}",
            hint="stop it with airlock down first, or choose another --state DIR",
            reason="AlreadyRunning",
        )
    return Launched(deployment=deployment, layout=layout, is_new=False)


def _told(value: Any) -> str:
    text = " ".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, dict) else str(value)
    return redact(text) or "(none)"


def _busy(layout: Layout) -> OperatorError:
    return OperatorError(
        f"another airlock command holds {layout.lock}", hint="wait for it, or stop it", reason="StateBusy"
    )
