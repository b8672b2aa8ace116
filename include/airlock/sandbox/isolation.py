"""Where a deployment validates: in a process of the worker, or in a sandbox where ``AIRLOCK_SANDBOX`` says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from airlock import scratch
from airlock.sandbox import settings
from airlock.sandbox.container import ContainerLaunch
from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.limits import Limits


@contextmanager
def server(answers: Answers, folder: Path, environ: Mapping[str, str], *, limits: Limits) -> Iterator[ForkServer]:
    """Give a warm process for one validation; its scratch directory is below ``folder``, or in the sandbox's volume.

    Raises ``ConfigError``, and what ``sandboxed`` raises.
    """
    if settings.is_on(environ):
        launch = ContainerLaunch(settings=settings.load(environ), environ=environ)
        with sandboxed(answers, launch, limits=limits) as warm:
            yield warm
    else:
        with scratch.directory(folder) as place, ForkServer(answers, limits=limits, scratch=place) as warm:
            yield warm


@contextmanager
def sandboxed(answers: Answers, launch: ContainerLaunch, *, limits: Limits) -> Iterator[ForkServer]:
    """Give a warm process in a sandbox for one validation.

    Raises what ``ContainerLaunch.check`` and ``ContainerLaunch.start`` raise.
    """
    launch.check()
    with (
        scratch.directory(settings.FOLDER) as place,
        ForkServer(answers, limits=limits, scratch=place, launch=launch) as warm,
    ):
        yield warm
