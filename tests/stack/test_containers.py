"""The containers as an operator finds them: no root, no secret in sight, nothing open to the network, bounded."""

from __future__ import annotations

import json
import re

import pytest
from tests.e2e.stack import Stack, docker

pytestmark = pytest.mark.timeout(300)


def test_no_container_runs_as_root(stack: Stack) -> None:
    users = {container["Name"]: container["Config"]["User"] for container in stack.containers()}
    assert users
    for name, user in users.items():
        assert user not in ("", "0", "root", "0:0"), name


def test_no_secret_can_be_seen_in_a_container_or_an_image(stack: Stack) -> None:
    read = "for file in /opt/airlock/secrets/*; do cat $file; echo; done"
    secrets = set(stack.compose("exec", "-T", "api-server", "sh", "-c", read).stdout.split())
    assert len(secrets) >= 9
    image = stack.settings["AIRLOCK_IMAGE"]
    seen = json.dumps(stack.containers()) + docker("inspect", image) + docker("history", "--no-trunc", image)
    assert [secret for secret in secrets if secret in seen] == []
    environment = docker("inspect", "--format", "{{json .Config.Env}}", image)
    assert not re.search(r"(PASSWORD|SECRET|TOKEN|FERNET_KEY|SQL_ALCHEMY_CONN)[A-Z_]*=", environment)


def test_ports_are_open_on_this_machine_only(stack: Stack) -> None:
    bound = [
        binding["HostIp"]
        for container in stack.containers()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    ]
    assert set(bound) == {"127.0.0.1"}


def test_database_and_broker_cannot_reach_anything_outside(stack: Stack) -> None:
    (network,) = json.loads(docker("network", "inspect", f"{stack.name}_backend"))
    assert network["Internal"] is True
    for container in stack.containers("postgres", *(["redis"] if "redis" in stack.services() else [])):
        assert list(container["NetworkSettings"]["Networks"]) == [f"{stack.name}_backend"]


def test_every_container_is_bounded_and_comes_back_after_a_crash(stack: Stack) -> None:
    for container in stack.containers():
        host = container["HostConfig"]
        assert host["Memory"] > 0, container["Name"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert host["CapDrop"] == ["ALL"]
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


def test_the_image_tells_what_it_is(stack: Stack) -> None:
    (image,) = json.loads(docker("inspect", stack.settings["AIRLOCK_IMAGE"]))
    assert image["Config"]["Labels"]["org.opencontainers.image.title"] == "Airlock"
    assert image["Config"]["User"] == "50000"


def test_tasks_cannot_change_the_code_that_judges_them(stack: Stack) -> None:
    write = "for path in dags plugins include/airlock bin lock; do test ! -w $path || echo $path; done"
    assert stack.compose("exec", "-T", "scheduler", "sh", "-c", write).stdout.split() == []


def test_only_the_locked_packages_are_in_the_image(stack: Stack) -> None:
    manifest = stack.api("GET", "/airlock/lock/manifest.json").json()
    assert manifest["problem"] is None
    assert manifest["not_reproducible"] == {}


def test_the_published_lockfile_is_the_one_of_the_image_byte_for_byte(stack: Stack) -> None:
    built = stack.compose("exec", "-T", "api-server", "cat", "lock/pylock.toml").stdout
    assert stack.api("GET", "/airlock/lock/pylock.toml").text == built
