"""Revisions are validated in containers that can do nothing, and the door to the engine opens for nothing else."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import wait_until
from tests.e2e.stack import Stack, docker

pytestmark = [pytest.mark.timeout(900), pytest.mark.compose]

# What a DAG file sees while it is imported, told as an import error.
LOOK = """
import json, os, socket
from airflow.sdk import Variable, dag


def write(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return error.strerror
    return "written"


def reach(host, port):
    try:
        socket.create_connection((host, port), timeout=3)
    except OSError as error:
        return type(error).__name__
    return "reached"


status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
seen = {
    "uid": os.getuid(),
    "capabilities": status["CapEff"].strip(),
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "interfaces": os.listdir("/sys/class/net"),
    "writes": {path: write(path) for path in ("/opt/airlock/x", "/opt/airflow/x", "/opt/airlock/sandbox/x", "/tmp/x")},
    "proxy": reach("docker-proxy", 2375),
    "database": reach("postgres", 5432),
    "state": os.listdir("/opt/airlock/state"),
    "secrets": os.path.exists("/opt/airlock/secrets") and os.listdir("/opt/airlock/secrets"),
    "socket": os.path.exists("/var/run/docker.sock"),
    "environment": dict(os.environ),
    "answered": Variable.get("colour") == "blue",
    "memory": open(next(p for p in (
        "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes") if os.path.exists(p))).read(),
}
raise RuntimeError("SEEN" + json.dumps(seen) + "SEEN")
"""


def test_what_a_dag_file_sees_in_a_sandbox(sandboxed: Stack) -> None:
    assert sandboxed.api("POST", "/api/v2/variables", {"key": "colour", "value": "blue"}).is_success
    revision = sandboxed.upstream.push({"look.py": LOOK})
    verdict = sandboxed.wait_for_verdict(revision)
    shown = json.loads(sandboxed.airlock("show", revision, "--json").stdout)
    sandboxed.upstream.push({"look.py": None})
    text = json.dumps(shown) + json.dumps(verdict)
    seen = json.loads(json.loads(f'"{text.split("SEEN")[1]}"'))
    assert seen["uid"] != 0
    assert int(seen["capabilities"], 16) == 0
    assert seen["no_new_privileges"] == "1"
    assert seen["interfaces"] == ["lo"]
    assert set(seen["writes"].values()) == {"write refused while a DAG file is validated"}
    assert "reached" not in (seen["proxy"], seen["database"])
    assert seen["state"] == []
    assert not seen["secrets"]
    assert not seen["socket"]
    assert seen["answered"]
    assert int(seen["memory"]) == 1024 << 20
    assert not [name for name in seen["environment"] if "SECRET" in name or "FERNET" in name or name.endswith("_CMD")]


def test_a_push_goes_live_and_a_hostile_one_does_not(sandboxed: Stack) -> None:
    live = sandboxed.upstream.push({"second.py": dag_file("second")})
    sandboxed.wait_for_live(live)
    judged = json.loads(sandboxed.airlock("show", live, "--json").stdout)
    assert judged["files"] == {"total": 4, "imported": 1, "cached": 3}
    revision = sandboxed.upstream.push(
        {"eats.py": "from airflow.sdk import dag\nx = [bytearray(1 << 20) for _ in range(20000)]\n"}
    )
    verdict = sandboxed.wait_for_verdict(revision, timeout_s=180)
    assert (verdict["result"], "eats.py" in json.dumps(verdict)) == ("rejected", True)
    assert sandboxed.source()["live"]["revision"] == live
    sandboxed.wait_for_live(sandboxed.upstream.push({"eats.py": None}))
    assert sandboxes(sandboxed) == []
    assert sandboxed.compose("exec", "-T", "scheduler", "ls", "/opt/airlock/sandbox").stdout.split() == []


def test_a_sandbox_ends_with_its_task_however_that_ends(sandboxed: Stack) -> None:
    slow = {f"slow_{number}.py": f"import time\ntime.sleep(4)\n{dag_file(f'slow_{number}')}" for number in range(8)}
    revision = sandboxed.upstream.push(slow)
    wait_until(lambda: bool(sandboxes(sandboxed)), "a sandbox", timeout_s=60)
    [container] = sandboxed.containers("scheduler")
    os.kill(container["State"]["Pid"], signal.SIGKILL)
    wait_until(lambda: not sandboxes(sandboxed, "--filter", "status=running"), "the sandbox to end", timeout_s=30)
    sandboxed.wait_until_healthy()
    sandboxed.wait_for_live(revision, timeout_s=300)
    wait_until(lambda: not sandboxes(sandboxed), "the ended container to be removed", timeout_s=180)
    quick = {name: dag_file(name.removesuffix(".py")) for name in slow}  # a removal of so many would be asked about
    sandboxed.wait_for_live(sandboxed.upstream.push(quick), timeout_s=120)


def sandboxes(stack: Stack, *options: str) -> list[str]:
    """The ids of this stack's sandboxes."""
    label = f"label=airlock.sandbox={stack.name}_sandbox"
    return docker("ps", "--all", "--no-trunc", "--quiet", "--filter", label, *options).split()


# Runs where tasks run: asks the proxy, and tells the status and the message of each answer.
ASK = """
import http.client, json, sys
answers = []
for method, target, body in json.load(sys.stdin):
    client = http.client.HTTPConnection("docker-proxy", 2375, timeout=30)
    client.request(method, target, body=None if body is None else json.dumps(body))
    answer = client.getresponse()
    answers.append([answer.status, answer.read().decode()])
print(json.dumps(answers))
"""


def ask(stack: Stack, folder: Path, calls: list[tuple[str, str, Any]]) -> list[list[Any]]:
    """Make calls of the engine from a container that runs tasks."""
    (folder / "calls.json").write_text(json.dumps(calls))
    [scheduler] = stack.containers("scheduler")
    docker("cp", str(folder / "calls.json"), f"{scheduler['Id']}:/tmp/calls.json")
    command = f"python -P -c '{ASK}' </tmp/calls.json"
    told: list[list[Any]] = json.loads(docker("exec", scheduler["Id"], "sh", "-c", command))
    return told


def test_the_door_to_the_engine_stays_shut_for_everything_else(sandboxed: Stack, tmp_path: Path) -> None:
    before = docker("ps", "--all", "--quiet", "--no-trunc").split()
    [postgres] = sandboxed.containers("postgres")
    plain = {"Image": sandboxed.settings["AIRLOCK_IMAGE"], "Cmd": ["true"]}

    def host(**values: Any) -> dict[str, Any]:
        return {**plain, "HostConfig": {"NetworkMode": "none", **values}}

    calls: list[tuple[str, str, Any]] = [
        ("POST", "/v1.41/containers/create", plain),
        ("POST", "/containers/create", host(Privileged=True)),
        ("POST", "/v1.41/containers/create", host(privileged=True)),
        ("POST", "/v1.41/containers/create", host(Binds=["/:/host"])),
        ("POST", "/v1.41/containers/create", host(NetworkMode="host")),
        ("POST", "/v1.41/containers/create", host(PidMode="host")),
        ("POST", "/v1.41/containers/create", {"Image": "postgres:17"}),
        ("POST", "//containers/create", plain),
        ("POST", "/v1.41/containers/%63reate", plain),
        ("POST", "/v1.41/containers/prune", None),
        ("POST", "/v1.41/build", None),
        ("POST", "/v1.41/images/create?fromImage=alpine", None),
        ("GET", "/v1.41/containers/json?all=1", None),
        ("GET", "/v1.41/info", None),
        ("GET", f"/v1.41/containers/{postgres['Id']}/json", None),
        ("POST", f"/v1.41/containers/{postgres['Id']}/stop", None),
        ("POST", f"/v1.41/containers/{postgres['Id']}/exec", {"Cmd": ["id"]}),
        ("DELETE", f"/v1.41/containers/{postgres['Id']}?force=1", None),
        ("DELETE", f"/v1.41/containers/{postgres['Name'][1:]}?force=1", None),
    ]
    answers = ask(sandboxed, tmp_path, [("GET", "/_ping", None), *calls])
    assert answers[0] == [200, "OK"]
    refused = dict(zip([f"{method} {target}" for method, target, _ in calls], answers[1:], strict=False))
    assert {call: answer for call, answer in refused.items() if answer[0] != 403} == {}
    assert len(answers) == len(calls) + 1
    assert docker("ps", "--all", "--quiet", "--no-trunc").split() == before
    assert sandboxed.is_healthy("postgres")


def test_without_an_engine_a_sync_says_so_and_live_stays(sandboxed: Stack) -> None:
    live = sandboxed.source()["live"]["revision"]
    sandboxed.compose("stop", "--timeout", "3", "docker-proxy")
    try:
        sandboxed.upstream.push({"third.py": dag_file("third")})
        refused = sandboxed.airlock("sync", "--wait")
        assert refused.returncode == 2
        assert "no Docker engine answers at tcp://docker-proxy:2375" in refused.stderr
        assert "leave AIRLOCK_SANDBOX empty" in refused.stderr
        assert sandboxed.source()["live"]["revision"] == live
        run_id = sandboxed.trigger("first")
        wait_until(lambda: sandboxed.run_state("first", run_id) == "success", "a run of a live DAG", timeout_s=90)
    finally:
        sandboxed.compose("start", "docker-proxy")
    sandboxed.wait_for_live(sandboxed.upstream.push({"third.py": None}), timeout_s=240)


def test_the_proxy_has_no_rights_but_the_socket(sandboxed: Stack) -> None:
    [proxy] = sandboxed.containers("docker-proxy")
    assert proxy["HostConfig"]["CapDrop"] == ["ALL"]
    assert proxy["HostConfig"]["ReadonlyRootfs"] is True
    assert list(proxy["NetworkSettings"]["Networks"]) == [f"{sandboxed.name}_engine"]
    assert [mount["Destination"] for mount in proxy["Mounts"]] == ["/var/run/docker.sock"]
    others = [one for one in sandboxed.containers() if one["Id"] != proxy["Id"]]
    assert not [one["Name"] for one in others if "docker.sock" in json.dumps(one["Mounts"])]
    assert not [one["Name"] for one in others if one["Config"]["User"] in ("", "0", "0:0", "root")]
