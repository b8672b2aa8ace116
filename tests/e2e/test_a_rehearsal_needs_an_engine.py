"""Where there is no Docker engine, a rehearsal says so, and everything else goes on."""

from __future__ import annotations

import json

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment

pytestmark = [pytest.mark.timeout(300), pytest.mark.embedded]


def test_a_rehearsal_says_that_there_is_no_engine(deployment: Deployment) -> None:
    refused = deployment.airlock("rehearse", "airlock:next", "--wait")
    assert refused.returncode == 2
    assert "the rehearsal failed: no Docker engine answers at tcp://docker-proxy:2375" in refused.stderr
    assert "hint: start the stack with profile sandbox" in refused.stderr
    deployment.wait_for_live(deployment.upstream.push({"afterwards.py": dag_file("afterwards")}))


def test_a_rehearsal_that_is_not_waited_for_tells_its_run(deployment: Deployment) -> None:
    started = deployment.airlock("rehearse", "airlock:next", "--json")
    assert started.returncode == 0, started.stderr
    assert json.loads(started.stdout)["run_id"] in [run["dag_run_id"] for run in deployment.runs("airlock_rehearsal")]


def test_a_name_that_is_none_is_refused(deployment: Deployment) -> None:
    refused = deployment.airlock("rehearse", "--", "-v /:/host")
    assert refused.returncode == 2
    assert "image" in refused.stderr
