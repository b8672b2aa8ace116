from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.deployments import dag_file
from tests.e2e.deployment import Deployment, wait_until

pytestmark = pytest.mark.timeout(600)

BROKEN: dict[str, tuple[Mapping[str, str | bytes | None], str, int | None, str]] = {
    "a syntax error": ({"bad.py": "from airflow.sdk import dag\ndef broken(:\n"}, "bad.py", 2, "import-error"),
    "an error at import": (
        {"bad.py": "from airflow.sdk import dag\n\nraise ValueError('boom')\n"},
        "bad.py",
        3,
        "import-error",
    ),
    "an import that never ends": (
        {"bad.py": "from airflow.sdk import dag\nimport time\ntime.sleep(10**6)\n"},
        "bad.py",
        3,
        "time-out",
    ),
    "a file that ends the process": (
        {"bad.py": "from airflow.sdk import dag\nimport os\nos._exit(1)\n"},
        "bad.py",
        3,
        "crash",
    ),
    "a second file with the same DAG": ({"bad.py": dag_file("first")}, "bad.py", 6, "duplicate-dag-id"),
    "an ignore file that is not UTF-8": (
        {"sub/.airflowignore": b"ok\n\xff\xfe\n"},
        "sub/.airflowignore",
        2,
        "ignore-file",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_rejected_with_file_line_and_reason(deployment: Deployment, name: str) -> None:
    files, file, line, rule = BROKEN[name]
    rejected(deployment, deployment.upstream.push(files), file, line, rule)
    deployment.upstream.push(dict.fromkeys(files))


def test_a_link_to_a_directory_is_rejected(deployment: Deployment) -> None:
    (deployment.upstream.clone / "sub").mkdir(exist_ok=True)
    (deployment.upstream.clone / "sub" / "loop").symlink_to("..")
    rejected(deployment, deployment.upstream.push({}), "sub/loop", None, "link")
    (deployment.upstream.clone / "sub" / "loop").unlink()
    deployment.upstream.push({})


def test_live_dags_are_scheduled_and_triggered_while_a_broken_revision_stands(deployment: Deployment) -> None:
    before = deployment.source()["live"]
    revision = deployment.upstream.push({"bad.py": "from airflow.sdk import dag\n1/0\n"})
    deployment.wait_for_verdict(revision)
    ticks = len(deployment.runs("ticker"))
    run_id = deployment.trigger("first")
    wait_until(lambda: deployment.run_state("first", run_id) == "success", "the triggered run", timeout_s=60)
    wait_until(lambda: len(deployment.runs("ticker")) > ticks, "a scheduled run", timeout_s=90)
    assert deployment.source()["live"] == before
    again = deployment.airlock("sync", "--wait")
    assert again.returncode == 1, again.stdout + again.stderr
    assert "bad.py:2: ZeroDivisionError: division by zero [import-error]" in again.stdout
    mended = deployment.upstream.push({"bad.py": dag_file("mended")})
    deployment.wait_for_live(mended)
    assert deployment.dag("mended")


def rejected(deployment: Deployment, revision: str, file: str, line: int | None, rule: str) -> None:
    """Assert that a revision was rejected for this reason, everywhere a user looks, and that live is as it was."""
    before = deployment.source()["live"]
    verdict = deployment.wait_for_verdict(revision)
    assert verdict["result"] == "rejected"
    assert [(finding["file"], finding["line"], finding["rule"]) for finding in verdict["findings"]] == [
        (file, line, rule)
    ]
    assert all(finding["message"] and finding["hint"] for finding in verdict["findings"])
    place = f"{file}:{line}" if line else file
    shown = deployment.airlock("show", revision)
    assert shown.returncode == 1
    assert place in shown.stdout
    newest = deployment.runs("airlock_sync_dags")[0]
    wait_until(
        lambda: deployment.run_state("airlock_sync_dags", newest["dag_run_id"]) == "failed", "the red run", timeout_s=60
    )
    assert f"{place}: {verdict['findings'][0]['message'][:20]}" in deployment.log(
        "airlock_sync_dags", newest["dag_run_id"], "sync"
    )
    first = deployment.dag("first")
    assert first
    assert (first["is_stale"], first["has_import_errors"]) == (False, False)
    live = deployment.source()["live"]
    assert before
    assert live["revision"] == before["revision"]
