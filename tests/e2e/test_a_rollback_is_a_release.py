from __future__ import annotations

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment, wait_until

pytestmark = pytest.mark.timeout(600)


def test_a_rollback_is_live_and_holds_until_somebody_resumes(deployment: Deployment) -> None:
    good = deployment.upstream.push({"brake.py": dag_file("brake")})
    deployment.wait_for_live(good)
    bad = deployment.upstream.push({"brake.py": dag_file("brake").replace("brake works", "brake fails")})
    deployment.wait_for_live(bad)

    rolled = deployment.airlock("rollback", "--reason", "numbers are off")
    assert (rolled.returncode, "the source is on hold" in rolled.stdout) == (0, True), rolled.stdout + rolled.stderr
    source = deployment.source()
    assert (source["live"]["revision"], source["live"]["confirmed"]) == (good, True)
    assert (source["hold"]["who"], source["hold"]["why"]) == ("admin", "numbers are off")
    run_id = deployment.trigger("brake")
    wait_until(lambda: deployment.run_state("brake", run_id) == "success", "the run", timeout_s=60)
    assert "brake works" in deployment.log("brake", run_id, "work")

    pushed = deployment.upstream.push({"brake.py": dag_file("brake").replace("brake works", "brake mended")})
    assert deployment.wait_for_verdict(pushed)["result"] == "passed"
    assert deployment.source()["live"]["revision"] == good

    resumed = deployment.airlock("resume", "--reason", "mended")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    source = deployment.source()
    assert (source["live"]["revision"], source["hold"]) == (pushed, None)
    told = deployment.airlock("history", "--limit", "3").stdout
    assert "rollback to release" in told
    assert "admin: numbers are off" in told


def test_hold_is_a_form_in_the_ui_and_a_wrong_release_is_refused_in_clear_words(deployment: Deployment) -> None:
    deployment.wait_for_live(deployment.upstream.git("rev-parse", "HEAD"))
    run_id = deployment.trigger("airlock_release_dags", {"action": "hold", "reason": "freeze", "number": None})
    wait_until(lambda: deployment.run_state("airlock_release_dags", run_id) == "success", "the hold", timeout_s=60)
    assert deployment.source()["hold"]["why"] == "freeze"
    refused = deployment.airlock("rollback", "999")
    assert (refused.returncode, "there is no release 999" in refused.stderr) == (2, True), refused.stderr
    assert deployment.airlock("resume").returncode == 0
