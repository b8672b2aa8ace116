from __future__ import annotations

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment, wait_until

pytestmark = pytest.mark.timeout(300)

SLOW = dag_file("slow").replace('print("slow works")', "import time\n\n        time.sleep(600)")


def test_a_move_is_rejected_while_a_run_is_unfinished_and_goes_live_afterwards(deployment: Deployment) -> None:
    deployment.wait_for_live(deployment.upstream.push({"slow.py": SLOW}))
    wait_until(lambda: deployment.dag("slow") is not None, "the DAG in Airflow", timeout_s=60)
    run_id = deployment.trigger("slow")
    wait_until(lambda: deployment.run_state("slow", run_id) == "running", "the run", timeout_s=60)

    moved = deployment.upstream.push({"slow.py": None, "team/slow.py": SLOW})
    verdict = deployment.wait_for_verdict(moved)
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["file"], finding["dag_id"]) == ("moved-file", "team/slow.py", "slow")
    assert "has 1 unfinished run" in finding["message"]
    assert deployment.run_state("slow", run_id) == "running"

    answer = deployment.api("PATCH", f"/api/v2/dags/slow/dagRuns/{run_id}", {"state": "failed"})
    assert answer.is_success, answer.text
    again = deployment.airlock("sync", "--wait")
    assert again.returncode == 0, again.stdout + again.stderr
    deployment.wait_for_live(moved)
    shown = deployment.airlock("show", "live").stdout
    assert "~ slow: file slow.py -> team/slow.py" in shown

    deployment.wait_for_live(deployment.upstream.push({"team/slow.py": None}))
