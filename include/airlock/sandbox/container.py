"""Starts the warm process in a sandbox instead of as a child of the task, with the same control socket.

The socket lies in the volume that both share, and descriptors pass over it, so that a DAG file's questions are answered
by the task: the container needs no network and no secret. When the socket closes, also because the task was killed, the
warm process ends, and the container with it.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.errors import CommandTimeout, OperatorError
from airlock.project import ROOT
from airlock.sandbox import inside, variables
from airlock.sandbox.settings import FOLDER, Settings
from airlock.sandbox.shape import Sandbox

if TYPE_CHECKING:
    from airlock.sandbox.operator import SandboxOperator

log = logging.getLogger(__name__)

_START_TIMEOUT_S = 120.0
_HELLO_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 30.0
_HELLO_BYTES = 32 << 20
_TOLD_CHARS = 2000


@dataclass(frozen=True, kw_only=True)
class ContainerLaunch:
    """A way to start the warm process: in a container of ``image``, or of the deployment's own image.

    The files of the container's lockfile are put into ``lockfile`` where there is one.
    """

    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    image: str = ""
    lockfile: dict[str, bytes] | None = None

    def check(self) -> None:
        """Make sure that there is an engine, and that it has the image.

        Raises ``OperatorError`` (``NoEngine``, ``ImageMissing``, ``SandboxFailed``).
        """
        from airflow.providers.common.compat.sdk import AirflowException
        from docker.errors import APIError  # type: ignore[import-untyped]

        image, engine = self.image or self.settings.image, self.settings.engine
        try:
            has_image = self._operator(self._sandbox(place="none", key="")).has_image()
        except AirflowException as error:
            raise OperatorError(
                f"no Docker engine answers at {engine}: {error}",
                hint="start the stack with profile sandbox (docker-proxy), or leave AIRLOCK_SANDBOX empty",
                reason="NoEngine",
            ) from error
        except APIError as error:
            raise OperatorError(
                f"image {image} is refused: {error.explanation or error}",
                hint="AIRLOCK_CANDIDATES of docker-proxy names the images that may be used",
                reason="SandboxFailed",
            ) from error
        if not has_image:
            raise OperatorError(
                f"the Docker engine has no image {image}",
                hint=f"pull or build it on the engine's machine: docker pull {image}",
                reason="ImageMissing",
            )

    def start(self, scratch: Path) -> Container:
        """Start the container and return once it has connected; ``scratch`` is below the shared volume.

        Raises ``OperatorError`` (``SandboxFailed``) and ``CommandTimeout``.
        """
        place = scratch.resolve()
        package = place / "package"
        shutil.copytree(ROOT / "include" / "airlock", package / "airlock")
        # In the deployment's own image the warm process has Airlock at the path at which it always has it: what was
        # learnt of an import in one sync holds in the next one.
        is_own = not self.image or self.image == self.settings.image
        environ = variables.for_container(self.environ, place, ROOT / "include" if is_own else package)
        start = {"environ": environ, "lockfile": self.lockfile is not None}
        (place / "start.json").write_text(json.dumps(start), encoding="utf-8")
        sandbox = self._sandbox(place=place.relative_to(FOLDER).as_posix(), key=secrets.token_hex(16))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(place / "control"))
            listening.listen()
            container = Container(sandbox=sandbox, operator=self._operator(sandbox))
            container.begin()
            try:
                lockfile = container.greet(listening)
            except BaseException:
                container.stop()
                raise
        if self.lockfile is not None:
            self.lockfile.update(lockfile)
        return container

    def _sandbox(self, *, place: str, key: str) -> Sandbox:
        return Sandbox(
            image=self.image or self.settings.image,
            place=place,
            key=key,
            user=f"{os.getuid()}:{os.getgid()}",
            volume=self.settings.volume,
            memory=self.settings.memory_mb << 20,
            nano_cpus=self.settings.cpus * 10**9,
        )

    def _operator(self, sandbox: Sandbox) -> SandboxOperator:
        from airlock.sandbox.operator import SandboxOperator

        return SandboxOperator(sandbox=sandbox, docker_url=self.settings.engine)


class Container:
    """A sandbox that was started; the warm process in it is connected to ``control``."""

    def __init__(self, *, sandbox: Sandbox, operator: SandboxOperator) -> None:
        self.sandbox = sandbox
        self.control = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._operator = operator
        self._error: Exception | None = None
        self._status: int | None = None
        self._told: list[str] = []

    def begin(self) -> None:
        """Have the engine make and start the container, in a thread."""
        self._thread.start()

    def greet(self, listening: socket.socket) -> dict[str, bytes]:
        """Wait until the container has connected and shown its key; return the files of its lockfile, if any.

        Another sandbox could reach the socket, but does not know the key.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            listening.settimeout(0.1)
            try:
                connected, _ = listening.accept()
            except TimeoutError:
                if not self._thread.is_alive():
                    raise self._failure() from self._error
                continue
            hello = _hello(connected, min(deadline, time.monotonic() + _HELLO_TIMEOUT_S))
            if secrets.compare_digest(str(hello.get("key", "")).encode(), self.sandbox.key.encode()):
                self.control.close()
                self.control = connected
                lockfile = hello.get("lockfile")
                return {name: str(text).encode() for name, text in lockfile.items()} if lockfile else {}
            connected.close()
        raise CommandTimeout(
            f"the sandbox of image {self.sandbox.image} did not start within {_START_TIMEOUT_S:g} s",
            hint="look at the load of the machine and the log of the engine",
        )

    def log_tail(self) -> str:
        """Return the end of what the container printed."""
        self._thread.join(_STOP_TIMEOUT_S)
        return "\n".join(self._told).strip()[-_TOLD_CHARS:]

    def status(self) -> int | None:
        """Return the exit status once the container has ended."""
        self._thread.join(_STOP_TIMEOUT_S)
        return self._status

    def stop(self) -> None:
        """End the container and wait until the engine has removed it; a second call does nothing."""
        self.control.close()
        self._thread.join(1.0)
        if self._thread.is_alive():
            with suppress(Exception):
                self._operator.on_kill()
            self._thread.join(_STOP_TIMEOUT_S)
        if self._thread.is_alive():
            log.warning("the engine has not removed a sandbox of %s yet", self.sandbox.image)

    def _run(self) -> None:
        try:
            self._status, self._told = self._operator.run_container()
        except Exception as error:  # noqa: BLE001 - told to the thread that waits
            self._error = error

    def _failure(self) -> OperatorError:
        ended = f"it ended with status {self._status}: {self.log_tail()}"
        told = ended if self._error is None else str(self._error)
        return OperatorError(
            f"the sandbox of image {self.sandbox.image} could not be started: {told}",
            hint="look at the logs of the engine and of docker-proxy",
            reason="SandboxFailed",
        )


def _hello(connected: socket.socket, deadline: float) -> dict[str, Any]:
    data = bytearray()
    wanted = inside.LENGTH_BYTES
    try:
        while len(data) < wanted:
            connected.settimeout(max(0.1, deadline - time.monotonic()))
            piece = connected.recv(min(wanted - len(data), 1 << 16))
            if not piece:
                return {}
            data += piece
            if len(data) == inside.LENGTH_BYTES == wanted:
                wanted += min(int.from_bytes(data, "big"), _HELLO_BYTES)
        hello = json.loads(data[inside.LENGTH_BYTES :])
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(hello, dict) or not isinstance(hello.get("lockfile"), dict | None):
        return {}
    return hello
