"""Three common styles of DAG repository, with the faults that such repositories have, and what is found in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import project
from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge
from airlock.verdict import Verdict

CASES = project.ROOT / "tests" / "cases"
EXPECTED = {
    "flat": {
        ("duplicate-dag-id", "orders_daily_copy.py:8", "error"),
        ("import-error", "old_export.py:6", "error"),
        ("deprecated-api", "old_export.py:6", "warning"),
        ("deprecated-api", "legacy_report.py:6", "warning"),
        ("deprecated-api", "legacy_report.py:7", "warning"),
        ("version-inflation", "run_stamp.py", "warning"),
        ("unmet-requirement", "requirements.txt:2", "warning"),
    },
    "shared_package": {
        ("missing-package", "dags/ingest/load.py:4", "error"),
        ("import-error", "dags/ingest/erp.py:3", "error"),
        ("tags", "dags/ingest/legacy_leads.py", "warning"),
    },
    "yaml_factory": {
        ("duplicate-dag-id", "dags/sales_factory.py", "error"),
        ("unknown-pool", "dags/factory.py", "error"),
    },
}
SUBDIRS = {"flat": "", "shared_package": "dags", "yaml_factory": "dags"}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer(Answers()) as one:
        yield one


def look(server: ForkServer, root: Path, case: str, live: Verdict | None = None) -> Verdict:
    return judge(Subject(revision="r1", root=root, subdir=SUBDIRS[case], live=live), server)


@pytest.fixture
def checkout(upstream: Upstream, request: pytest.FixtureRequest) -> Path:
    """The case as a repository that somebody cloned."""
    shutil.copytree(CASES / request.getfixturevalue("case"), upstream.clone, dirs_exist_ok=True)
    upstream.git("add", "-A")
    upstream.git("commit", "-qm", "as it is")
    return upstream.clone


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_what_is_found_is_what_a_maintainer_would_mend(server: ForkServer, checkout: Path, case: str) -> None:
    verdict = look(server, checkout, case)
    assert {(finding.rule, finding.place, finding.severity) for finding in verdict.findings} == EXPECTED[case]
    assert verdict.unchecked == ()


@pytest.mark.parametrize("case", ["shared_package"])
def test_the_way_out_is_told(server: ForkServer, checkout: Path, case: str) -> None:
    verdict = look(server, checkout, case)
    hints = {finding.file: finding.hint for finding in verdict.findings}
    assert hints["dags/ingest/erp.py"] == "the import root is dags/: leave dags. out of the module's name"
    assert "add no-such-warehouse-client" in hints["dags/ingest/load.py"]
    (suppressed,) = verdict.suppressed
    assert (suppressed.finding.rule, suppressed.reason) == ("owner", "retired with the old CRM in autumn")


@pytest.mark.parametrize("case", ["yaml_factory"])
def test_a_factory_that_lost_its_configuration_is_stopped(server: ForkServer, checkout: Path, case: str) -> None:
    (checkout / "dags/configs/stock.yaml").unlink()
    (checkout / "dags/sales_factory.py").unlink()
    live = look(server, checkout, case)
    assert (live.result, live.findings) == ("passed", ())
    shutil.move(checkout / "dags/configs", checkout / "configs")
    (lost,) = look(server, checkout, case, live).findings
    assert (lost.rule, lost.file) == ("lost-dags", "dags/factory.py")
    assert lost.message.endswith("live are: load_orders, load_returns")


@pytest.mark.parametrize("case", ["yaml_factory"])
def test_a_change_in_a_data_file_is_told_in_terms_of_dags(server: ForkServer, checkout: Path, case: str) -> None:
    (checkout / "dags/sales_factory.py").unlink()  # which of its two DAGs with one id Airflow keeps is left to chance
    live = look(server, checkout, case)
    stock = checkout / "dags/configs/stock.yaml"
    stock.write_text(stock.read_text().replace("@daily", "@hourly").replace("warehous\n", "warehouse\n"))
    changes = look(server, checkout, case, live).changes
    assert changes.lines == ("~ load_stock: schedule 0 0 * * * -> 0 * * * *; pool of extract warehous -> warehouse",)


@pytest.mark.parametrize("folder", ["airflow.example_dags", "airflow.providers.standard.example_dags"])
def test_airflows_own_examples_have_no_false_alarm(server: ForkServer, tmp_path: Path, folder: str) -> None:
    import importlib.util

    spec = importlib.util.find_spec(folder)
    assert spec
    assert spec.submodule_search_locations
    shutil.copytree(spec.submodule_search_locations[0], tmp_path / "examples", ignore=shutil.ignore_patterns("*.pyc"))
    verdict = judge(Subject(revision="r1", root=tmp_path / "examples"), server)
    assert len(verdict.dags) > 20
    # They need plugins that only come with Airflow's own examples; a deployment without them could not run these.
    assert {(finding.rule, finding.file) for finding in verdict.errors} <= {
        ("not-serialisable", "example_custom_weight.py"),
        ("not-serialisable", "example_workday_timetable.py"),
    }
    warned = {(finding.rule, finding.file) for finding in verdict.findings if finding.severity == "warning"}
    assert warned <= {
        ("version-inflation", "example_params_ui_tutorial.py"),  # date.today() in its parameters
        ("deprecated-api", "example_external_task_child_deferrable.py"),  # from airflow import DAG
        ("deprecated-api", "example_external_task_parent_deferrable.py"),
    }
