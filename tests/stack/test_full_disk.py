"""The volume of the state runs full: the sync says so, live stays, and with room again the push goes live."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import wait_until
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.timeout(900), pytest.mark.compose]


@pytest.fixture
def small(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A stack whose state volume has room for 64 MB."""
    stack = new_stack("small", kind="compose")
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=64m,uid=50000,gid=0,mode=2775"}
    stack.volumes = {"state": {"driver_opts": options}}
    done = stack.up()
    assert done.returncode == 0, done.stdout + done.stderr + stack.logs()[-20000:]
    yield stack
    stack.down()


def test_a_full_state_volume_loses_nothing(small: Stack) -> None:
    first = small.upstream.push({"first.py": dag_file("first")})
    small.wait_for_live(first)
    fill = "dd if=/dev/zero of=/opt/airlock/state/full bs=64k 2>/dev/null; df /opt/airlock/state"
    small.compose("exec", "-T", "scheduler", "sh", "-c", fill)
    revision = small.upstream.push({"second.py": dag_file("second"), "data.bin": "x" * 300_000})
    refused = small.airlock("sync", "--wait")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    newest = small.runs("airlock_sync_dags")[0]["dag_run_id"]
    assert "hint: free space" in refused.stderr, small.log("airlock_sync_dags", newest, "sync")
    assert small.source()["live"]["revision"] == first
    run_id = small.trigger("first")
    wait_until(lambda: small.run_state("first", run_id) == "success", "a run of a live DAG", timeout_s=90)
    small.compose("exec", "-T", "scheduler", "rm", "/opt/airlock/state/full")
    small.wait_for_live(revision, timeout_s=240)
    assert json.loads(small.airlock("history", "--json").stdout)
