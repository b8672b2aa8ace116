"""What the real DockerOperator and its client ask of an engine is what the proxy lets through, call by call."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests import engine as engines, proxies
from tests.engine import FakeEngine

from airlock.errors import OperatorError
from airlock.sandbox import settings as settings_of, shape
from airlock.sandbox.container import ContainerLaunch
from airlock.sandbox.operator import SandboxOperator
from airlock.sandbox.settings import Settings
from airlock.sandbox.shape import Sandbox


@pytest.fixture
def settings() -> Settings:
    return settings_of.load({"AIRLOCK_SANDBOX_VOLUME": "sandboxes"})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    fake = FakeEngine(images=["airlock:latest"], printed=b"warm\n")
    server = engines.serve(fake, tmp_path / "engine.sock")
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def address(engine: FakeEngine, settings: Settings, tmp_path: Path) -> Iterator[str]:
    """Where the proxy in front of the fake engine listens."""
    with proxies.serve(settings, tmp_path / "engine.sock") as door:
        yield f"tcp://127.0.0.1:{door.port}"


def sandbox(image: str = "airlock:latest") -> Sandbox:
    return Sandbox(
        image=image,
        place="tmpabc_1/airlock-validate-x",
        key="0" * 32,
        user="50000:0",
        volume="sandboxes",
        memory=1 << 30,
        nano_cpus=2 * 10**9,
    )


def test_a_sandbox_runs_to_its_end_and_is_removed(engine: FakeEngine, address: str) -> None:
    assert SandboxOperator(sandbox=sandbox(), docker_url=address).run_container() == (0, ["warm"])
    assert engine.containers == {}
    [created] = [body for method, target, body in engine.asked if "/containers/create" in target]
    assert {name: created[name] for name in shape.body(sandbox())} == shape.body(sandbox())


def test_a_container_that_is_given_up_is_stopped_and_removed(engine: FakeEngine, address: str) -> None:
    operator = SandboxOperator(sandbox=sandbox(), docker_url=address)
    operator.container = {"Id": engine.add("a", name="airlock-sandbox-1", labels={"airlock.sandbox": "sandboxes"})}
    assert operator.has_image()
    operator.on_kill()
    assert engine.containers == {}


def test_an_operator_that_wants_more_is_refused(engine: FakeEngine, address: str) -> None:
    from docker.errors import APIError

    operator = SandboxOperator(sandbox=sandbox(), docker_url=address, privileged=True)
    with pytest.raises(APIError, match=r"HostConfig\.Privileged is not allowed"):
        operator.run_container()


def check(address: str, image: str = "") -> OperatorError:
    launch = ContainerLaunch(settings=replace(settings_of.load({}), engine=address), environ={}, image=image)
    with pytest.raises(OperatorError) as raised:
        launch.check()
    assert raised.value.hint
    return raised.value


def test_an_image_that_the_engine_lacks_is_named(engine: FakeEngine, address: str) -> None:
    engine.images = []
    error = check(address)
    assert (error.reason, error.message) == ("ImageMissing", "the Docker engine has no image airlock:latest")


def test_an_image_that_is_not_allowed_is_named(engine: FakeEngine, address: str) -> None:
    error = check(address, "postgres:17")
    assert error.reason == "SandboxFailed"
    assert "image postgres:17 is refused: refused by the sandbox proxy: images:" in error.message


def test_without_an_engine_it_says_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = check(f"tcp://127.0.0.1:{free.getsockname()[1]}")
    assert error.reason == "NoEngine"
    assert error.message.startswith("no Docker engine answers at tcp://127.0.0.1:")
