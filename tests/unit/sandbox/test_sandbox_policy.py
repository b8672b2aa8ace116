"""The boundary to the Docker engine: what is let through, and every way around it that we could think of."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from airlock.sandbox import policy, shape
from airlock.sandbox.policy import Refused
from airlock.sandbox.settings import Settings
from airlock.sandbox.shape import Sandbox

ID = "f" * 64
CREATE = "/v1.41/containers/create"
Body = dict[str, Any]


def decide(settings: Settings, method: str, target: str, body: Any = None) -> policy.Call:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return policy.decide(settings, method, target, data, name="airlock-sandbox-1")


def test_a_sandbox_is_created_with_a_name_and_a_label_of_ours(settings: Settings, sandbox: Sandbox) -> None:
    call = decide(settings, "POST", CREATE, shape.body(sandbox))
    assert call.creates
    assert call.target == "/v1.41/containers/create?name=airlock-sandbox-1"
    sent = json.loads(call.body)
    assert sent.pop("Labels") == {"airlock.sandbox": "sandboxes"}
    assert sent.pop("Healthcheck") == {"Test": ["NONE"]}
    assert sent == shape.body(sandbox)


def test_a_sandbox_is_closed(settings: Settings, body: Body) -> None:
    host = json.loads(decide(settings, "POST", CREATE, body).body)["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["MemorySwap"] == host["Memory"]
    assert [(mount["Type"], mount["Source"], mount["ReadOnly"]) for mount in host["Mounts"]] == [
        ("volume", "sandboxes", True)
    ]


@pytest.mark.parametrize(
    ("method", "target", "made"),
    [
        ("GET", "/version", "/version"),
        ("GET", "/v1.41/_ping", "/v1.41/_ping"),
        ("GET", f"/v1.41/containers/{ID}/json", f"/v1.41/containers/{ID}/json"),
        ("POST", f"/v1.41/containers/{ID}/start", f"/v1.41/containers/{ID}/start"),
        ("POST", f"/v1.41/containers/{ID}/wait", f"/v1.41/containers/{ID}/wait"),
        ("POST", f"/v1.41/containers/{ID}/stop", f"/v1.41/containers/{ID}/stop?t=10"),
        ("POST", f"/v1.41/containers/{ID}/stop?t=3", f"/v1.41/containers/{ID}/stop?t=3"),
        (
            "POST",
            f"/v1.41/containers/{ID}/attach?logs=0&stdout=1&stderr=1&stream=1",
            f"/v1.41/containers/{ID}/attach?logs=0&stdout=1&stderr=1&stream=1",
        ),
        ("DELETE", f"/v1.41/containers/{ID}?v=False&link=False&force=True", f"/v1.41/containers/{ID}?force=1&v=1"),
    ],
)
def test_the_calls_of_a_sandbox_are_made_anew(settings: Settings, method: str, target: str, made: str) -> None:
    call = decide(settings, method, target)
    assert (call.method, call.target, call.body) == (method, made, b"")
    assert call.container == (ID if ID in target else "")
    assert call.upgrades == ("attach" in target)


def test_an_image_is_looked_up_by_a_name_that_is_allowed(settings: Settings) -> None:
    asked = "/v1.41/images/json?only_ids=0&all=0&filters=%7B%22reference%22%3A+%5B%22airlock%3Alatest%22%5D%7D"
    made = "/v1.41/images/json?filters=%7B%22reference%22%3A+%5B%22airlock%3Alatest%22%5D%7D"
    assert decide(settings, "GET", asked).target == made


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1.41/build"),
        ("POST", "/v1.41/images/create?fromImage=alpine"),
        ("POST", "/v1.41/containers/prune"),
        ("POST", "/v1.41/system/prune"),
        ("POST", "/v1.41/volumes/create"),
        ("GET", "/v1.41/info"),
        ("GET", "/v1.41/events"),
        ("GET", "/v1.41/containers/json"),
        ("GET", "/v1.41/containers/json?all=1"),
        ("GET", "/v1.41/images/json"),
        ("GET", "/v1.41/images/json?filters=%7B%22reference%22%3A%5B%22postgres%22%5D%7D"),
        ("GET", "/v1.41/images/json?filters=%7B%22reference%22%3A%5B%5B%5D%5D%7D"),
        ("GET", "/v1.41/images/json?filters=[]"),
        ("GET", f"/v1.41/containers/{ID}/logs?stdout=1"),
        ("GET", f"/v1.41/containers/{ID}/archive?path=/"),
        ("PUT", f"/v1.41/containers/{ID}/archive?path=/"),
        ("POST", f"/v1.41/containers/{ID}/exec"),
        ("POST", f"/v1.41/exec/{ID}/start"),
        ("POST", f"/v1.41/containers/{ID}/update"),
        ("POST", f"/v1.41/containers/{ID}/rename?name=x"),
        ("POST", f"/v1.41/containers/{ID}/kill"),
        ("POST", f"/v1.41/containers/{ID}/pause"),
        ("POST", f"/v1.41/containers/{ID}/start?detachKeys=a"),
        ("POST", f"/v1.41/containers/{ID}/attach?stdin=1&stream=1"),
        ("POST", f"/v1.41/containers/{ID}/attach?logs=0&stdout=1&stderr=1&stream=1&stdin=1"),
        ("POST", f"/v1.41/containers/{ID}/attach?logs=0&stdout=1&stderr=1&stream=1&STREAM=1"),
        ("POST", f"/v1.41/containers/{ID}/stop?t=-1"),
        ("POST", f"/v1.41/containers/{ID}/stop?t=5&t=5"),
        ("POST", f"/v1.41/containers/{ID}/wait?condition=removed"),
        ("DELETE", f"/v1.41/containers/{ID}?link=1"),
        ("DELETE", f"/v1.41/images/{ID}"),
        ("DELETE", f"/v1.41/volumes/{ID}"),
        ("DELETE", "/v1.41/containers/airlock-postgres-1?force=1"),
        ("DELETE", "/v1.41/containers/ffffffffffff?force=1"),
        ("POST", "/v1.41/containers/create?name=mine"),
        ("POST", "//containers/create"),
        ("POST", "/v1.41//containers/create"),
        ("POST", "/v1.41/containers/./create"),
        ("POST", "/v1.41/containers/x/../create"),
        ("POST", "/v1.41/containers/%63reate"),
        ("POST", "/v1.41/containers%2fcreate"),
        ("POST", "/v1.41/%2e%2e/containers/create"),
        ("POST", "/v1.41/Containers/Create"),
        ("POST", "/v1.24/containers/create"),
        ("POST", "/v2.41/containers/create"),
        ("POST", "/v1.41/v1.41/containers/create"),
        ("POST", "/containers/create/"),
        ("POST", "/containers/create#x"),
        ("POST", "http://engine/containers/create"),
        ("GET", "/containers/create"),
        ("GET", f"/v1.41/containers/{ID.upper()}/json"),
        ("GET", f"/v1.41/containers/{ID}f/json"),
        ("GET", f"/v1.41/containers/{ID}/json?size=1"),
        ("GET", "/version\n"),
    ],
)
def test_no_other_call_is_let_through(settings: Settings, sandbox: Sandbox, method: str, target: str) -> None:
    creates = method == "POST" and "create" in target.lower()
    with pytest.raises(Refused):
        decide(settings, method, target, shape.body(sandbox) if creates else None)


@pytest.mark.parametrize("target", ["/version", f"/v1.41/containers/{ID}/start", f"/v1.41/containers/{ID}/wait"])
def test_what_needs_no_body_has_none(settings: Settings, target: str) -> None:
    with pytest.raises(Refused):
        decide(settings, "POST" if ID in target else "GET", target, {"HostConfig": {"Privileged": True}})


def host(**values: Any) -> Callable[[Body], None]:
    return lambda body: body["HostConfig"].update(values)


def top(**values: Any) -> Callable[[Body], None]:
    return lambda body: body.update(values)


ATTACKS: dict[str, Callable[[Body], None]] = {
    "privileged": host(Privileged=True),
    "privileged in small letters": host(privileged=True),
    "privileged beside the host's configuration": top(hostconfig={"Privileged": True}),
    "host's configuration twice, in two cases": top(hostConfig={"Privileged": True}),
    "bind of the root": host(Binds=["/:/host"]),
    "bind mount": host(Mounts=[{"Target": "/host", "Source": "/", "Type": "bind"}]),
    "second mount": lambda body: body["HostConfig"]["Mounts"].append({"Target": "/h", "Source": "/", "Type": "bind"}),
    "another volume": lambda body: body["HostConfig"]["Mounts"][0].update(Source="airlock_secrets"),
    "writable volume": lambda body: body["HostConfig"]["Mounts"][0].update(ReadOnly=False),
    "volume that is a bind in disguise": lambda body: body["HostConfig"]["Mounts"][0].update(
        VolumeOptions={"DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}}}
    ),
    "volume driver": host(VolumeDriver="local"),
    "volumes of another container": host(VolumesFrom=["airlock-postgres-1"]),
    "volumes": top(Volumes={"/x": {}}),
    "the engine's socket": host(Binds=["/var/run/docker.sock:/var/run/docker.sock"]),
    "device": host(Devices=[{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]),
    "device rule": host(DeviceCgroupRules=["a *:* rwm"]),
    "device request": host(DeviceRequests=[{"Count": -1, "Capabilities": [["gpu"]]}]),
    "capability": host(CapAdd=["SYS_ADMIN"]),
    "capabilities kept": host(CapDrop=[]),
    "host network": host(NetworkMode="host"),
    "network of another container": host(NetworkMode="container:airlock-postgres-1"),
    "bridge": host(NetworkMode="bridge"),
    "network configuration": top(NetworkingConfig={"EndpointsConfig": {"airlock_backend": {}}}),
    "host pid": host(PidMode="host"),
    "host ipc": host(IpcMode="host"),
    "host uts": host(UTSMode="host"),
    "host users": host(UsernsMode="host"),
    "host cgroups": host(CgroupnsMode="host"),
    "cgroup parent": host(CgroupParent="/"),
    "runtime": host(Runtime="other"),
    "unconfined": host(SecurityOpt=["seccomp=unconfined"]),
    "no security": host(SecurityOpt=[]),
    "masked paths": host(MaskedPaths=[]),
    "read-only paths": host(ReadonlyPaths=[]),
    "sysctl": host(Sysctls={"kernel.core_pattern": "|/x"}),
    "writable root": host(ReadonlyRootfs=False),
    "read-only as a number": host(ReadonlyRootfs=1),
    "executable tmpfs": host(Tmpfs={"/tmp": "exec"}),
    "second tmpfs": host(Tmpfs={**shape.TMPFS, "/run": ""}),
    "restart": host(RestartPolicy={"Name": "always"}),
    "more memory": host(Memory=2 << 30, MemorySwap=2 << 30),
    "no memory limit": host(Memory=0, MemorySwap=0),
    "negative memory": host(Memory=-1, MemorySwap=-1),
    "memory as text": host(Memory="1g"),
    "memory as a fraction": host(Memory=1.0 * (1 << 30), MemorySwap=1.0 * (1 << 30)),
    "memory as truth": host(Memory=True, MemorySwap=True),
    "swap": host(MemorySwap=-1),
    "all processors": host(NanoCpus=64 * 10**9),
    "no processor limit": host(NanoCpus=0),
    "all processes": host(PidsLimit=0),
    "ulimits": host(Ulimits=[{"Name": "core", "Soft": -1, "Hard": -1}]),
    "ports": host(PortBindings={"80/tcp": [{"HostPort": "80"}]}),
    "all ports": host(PublishAllPorts=True),
    "log driver": host(LogConfig={"Type": "syslog", "Config": {"syslog-address": "udp://x"}}),
    "log options": host(LogConfig={"Type": None, "Config": {"tag": "x"}}),
    "oom killer": host(OomKillDisable=True),
    "storage": host(StorageOpt={"size": "1T"}),
    "groups": host(GroupAdd=["999"]),
    "hosts": host(ExtraHosts=["a:1.2.3.4"]),
    "links": host(Links=["airlock-postgres-1:db"]),
    "auto remove": host(AutoRemove=True),
    "root": top(User="0:0"),
    "root by name": top(User="root"),
    "root by image": top(User=""),
    "root with zeros": top(User="00:0"),
    "another image": top(Image="postgres:17"),
    "an image by its id": top(Image="sha256:" + "0" * 64),
    "an image of another registry": top(Image="example.com/airlock:latest"),
    "an image with spaces": top(Image="airlock:latest x"),
    "another program": top(Cmd=["sh", "-c", "id"]),
    "no program": top(Cmd=None),
    "a longer program": lambda body: body["Cmd"].append("x"),
    "another place": lambda body: body["Cmd"].__setitem__(4, "/opt/airlock/secrets"),
    "a place above": lambda body: body["Cmd"].__setitem__(4, "/opt/airlock/sandbox/abcd/../../secrets"),
    "another key": lambda body: body["Cmd"].__setitem__(5, "x"),
    "entrypoint": top(Entrypoint=["sh", "-c"]),
    "environment": top(Env=["LD_PRELOAD=/x"]),
    "more environment": lambda body: body["Env"].append("LD_PRELOAD=/x"),
    "working directory": top(WorkingDir="/"),
    "shell": top(Shell=["sh"]),
    "input": top(OpenStdin=True, AttachStdin=True),
    "terminal": top(Tty=True),
    "labels": top(Labels={"airlock.sandbox": "other"}),
    "name": top(Name="x"),
    "health check": top(Healthcheck={"Test": ["CMD-SHELL", "id"]}),
    "stop signal": top(StopSignal="SIGKILL"),
    "onbuild": top(OnBuild=["RUN id"]),
    "mac address": top(MacAddress="02:42:ac:11:00:02"),
    "unknown, and empty": top(Other=None),
    "known in another case, and empty": host(privileged=False),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_other_container_is_created(settings: Settings, body: Body, attack: Callable[[Body], None]) -> None:
    changed = copy.deepcopy(body)
    attack(changed)
    assert changed != body or repr(changed) != repr(body)
    with pytest.raises(Refused, match="create"):
        decide(settings, "POST", CREATE, changed)


def test_a_request_needs_all_its_parts(settings: Settings, body: Body) -> None:
    for part in list(body):
        with pytest.raises(Refused):
            decide(settings, "POST", CREATE, {key: value for key, value in body.items() if key != part})
    for part in list(body["HostConfig"]):
        kept = {key: value for key, value in body["HostConfig"].items() if key != part}
        with pytest.raises(Refused):
            decide(settings, "POST", CREATE, {**body, "HostConfig": kept})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace('"HostConfig": {', '"HostConfig": {"Privileged": true}, "HostConfig": {'),
        lambda text: text.replace('"HostConfig": {', '"hostconfig": {"Privileged": true}, "HostConfig": {'),
        lambda text: text.replace('"Memory":', '"Privileged": true, "Privileged": false, "Memory":'),
        lambda text: text.replace('"Memory":', '"\\u0050rivileged": true, "Memory":'),
        # The letter that folds to "k": the engine's decoder takes it for one.
        lambda text: text.replace('"NetworkMode"', '"Networ\u212aMode": "host", "NetworkMode"'),
        lambda text: text.replace('"Tmpfs"', '"Tmpf\u017f": {}, "Tmpfs"'),
        lambda text: text + text,
        lambda text: text + "}",
        lambda text: "[" + text + "]",
        lambda text: "\ufeff" + text,
        lambda text: text.replace('"Tty": false', '"Tty": NaN'),
        lambda text: "[" * 20000,
        lambda text: "null",
        lambda text: '"text"',
        lambda text: "",
    ],
)
def test_a_body_that_could_be_read_in_two_ways_is_refused(
    settings: Settings, body: Body, spoil: Callable[[str], str]
) -> None:
    with pytest.raises(Refused, match="create"):
        decide(settings, "POST", CREATE, spoil(json.dumps(body)).encode())


def test_bytes_that_are_not_utf8_are_refused(settings: Settings) -> None:
    with pytest.raises(Refused):
        decide(settings, "POST", CREATE, b'{"Image": "\xff"}')


def test_a_candidate_is_allowed_by_its_pattern_only(settings: Settings, body: Body) -> None:
    assert decide(settings, "POST", CREATE, {**body, "Image": "apache/airflow:3.4.0"}).creates
    with pytest.raises(Refused, match="AIRLOCK_CANDIDATES"):
        decide(settings, "POST", CREATE, {**body, "Image": "apache/airflow"})


@pytest.mark.parametrize(
    ("inspected", "ours"),
    [
        ({"Name": "/airlock-sandbox-1", "Config": {"Labels": {"airlock.sandbox": "sandboxes"}}}, True),
        ({"Name": "/airlock-sandbox-1", "Config": {"Labels": {"airlock.sandbox": "of-another-stack"}}}, False),
        ({"Name": "/airlock-sandbox-1", "Config": {"Labels": None}}, False),
        ({"Name": "/postgres", "Config": {"Labels": {"airlock.sandbox": "sandboxes"}}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_container_is_ours_by_label_and_name(settings: Settings, inspected: Any, ours: bool) -> None:
    assert policy.is_ours(settings, inspected) is ours
