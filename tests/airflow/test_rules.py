"""The rules on real imports: what Airflow does with a file, and what the rules make of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge
from airlock.validate.policy import Policy, parse
from airlock.verdict import Finding, Verdict

GOOD = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG("{name}", schedule="@daily"):
    BashOperator(task_id="a", bash_command="true"{more})
"""
Judge = Callable[..., Verdict]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer(Answers()) as one:
        yield one


@pytest.fixture
def judged(server: ForkServer, tmp_path: Path) -> Judge:
    def judge_tree(files: Mapping[str, str], **values: Any) -> Verdict:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return judge(Subject(revision="r1", root=tmp_path, **values), server)

    return judge_tree


def good(name: str, more: str = "") -> str:
    return GOOD.format(name=name, more=more)


def found(verdict: Verdict, rule: str) -> list[Finding]:
    return [finding for finding in verdict.findings if finding.rule == rule]


def test_a_sound_file_gives_nothing(judged: Judge) -> None:
    verdict = judged({"etl.py": good("etl")})
    assert (verdict.findings, verdict.unchecked, verdict.result) == ((), (), "passed")


def test_an_id_that_one_file_gives_twice_is_found(judged: Judge) -> None:
    verdict = judged({"etl.py": good("etl") + good("etl", ", retries=2")})
    (finding,) = found(verdict, "duplicate-dag-id")
    assert (finding.file, finding.dag_id) == ("etl.py", "etl")
    assert "more than once" in finding.message


def test_a_dag_under_two_names_and_one_made_twice_alike_are_one_dag(judged: Judge) -> None:
    named = good("etl").replace('"@daily"):', '"@daily") as one:') + "\nother = one\n"
    assert judged({"etl.py": named, "alike.py": good("alike") + good("alike")}).findings == ()


def test_a_dag_that_two_imports_make_differently_is_found_with_what_differs(judged: Judge) -> None:
    varying = good("etl", ", env={'RUN': str(uuid.uuid4())}").replace(
        "from airflow.sdk", "import uuid\nfrom airflow.sdk"
    )
    helper = "import random\n\nCOLOUR = random.random()\n"
    through = good("through", ", env={'RUN': str(COLOUR)}").replace(
        "from airflow.sdk", "from helper import COLOUR\nfrom airflow.sdk"
    )
    inside = good("inside") + "\nimport uuid\n\ndef run():\n    return uuid.uuid4()\n"
    verdict = judged({"etl.py": varying, "through.py": through, "helper.py": helper, "inside.py": inside})
    told = {finding.dag_id: finding.message for finding in found(verdict, "version-inflation")}
    assert told.keys() == {"etl", "through"}
    assert "task a, env" in told["etl"]
    assert verdict.result == "passed"


def test_the_folder_that_a_child_has_for_temporary_files_makes_no_difference(judged: Judge) -> None:
    where = ", cwd=tempfile.gettempdir(), env={'A': os.getcwd()}"
    text = "import os, random, tempfile\n" + good("etl", where)
    first = judged({"etl.py": text})
    assert first.findings == ()
    assert judged({"etl.py": text}).dags == first.dags


def test_airflows_own_warning_of_a_varying_value_has_its_line(judged: Judge) -> None:
    text = (
        "from datetime import date, datetime\nfrom airflow.sdk import DAG\n\n"
        "dag = DAG('etl', schedule=None, start_date=datetime.combine(date.today(), datetime.min.time()))\n"
    )
    (finding,) = found(judged({"etl.py": text}), "version-inflation")
    assert finding.line == 4


def test_the_slow_import_is_named(judged: Judge) -> None:
    policy = parse("[rules.import-budget]\nseconds = 0.3\n")[0]
    files = {"etl.py": "import slow\n" + good("etl"), "slow.py": "import time\ntime.sleep(0.5)\n"}
    (finding,) = found(judged(files, policy=policy), "import-budget")
    assert finding.file == "etl.py"
    assert "slowest imports: slow 0." in finding.message


def test_a_slow_package_counts_for_each_file_though_it_is_imported_once_for_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "slow_package.py").write_text("import time\ntime.sleep(0.5)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    (tmp_path / "tree").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "tree" / f"{name}.py").write_text("import slow_package\n" + good(name))
    (tmp_path / "tree" / "quick.py").write_text(good("quick"))
    policy = parse("[rules.import-budget]\nseconds = 0.4\n")[0]
    with ForkServer(Answers()) as server:
        verdict = judge(Subject(revision="r1", root=tmp_path / "tree", policy=policy), server)
    assert [finding.file for finding in verdict.findings] == ["a.py", "b.py", "c.py"]
    assert all("slowest imports: slow_package 0.5 s" in finding.message for finding in verdict.findings)


def test_removed_api_and_a_missing_package_are_told_with_the_way_out(judged: Judge) -> None:
    verdict = judged(
        {
            "old.py": "from airflow import DAG\n\ndag = DAG('old', schedule_interval='@daily')\n",
            "lib.py": "import pandas_of_the_future as pd\n" + good("lib"),
        }
    )
    assert {finding.line for finding in found(verdict, "deprecated-api")} == {3}
    (missing,) = found(verdict, "missing-package")
    assert missing.place == "lib.py:1"
    assert "add pandas-of-the-future" in missing.hint
    assert [finding.file for finding in found(verdict, "import-error")] == ["old.py"]


def test_a_cluster_policy_that_refuses_a_dag_is_told(
    judged: Judge, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path_factory.mktemp("config")
    (config / "airflow_local_settings.py").write_text(
        "from airflow.exceptions import AirflowClusterPolicyViolation\n\n"
        "def dag_policy(dag):\n    if not dag.tags:\n"
        "        raise AirflowClusterPolicyViolation(f'DAG {dag.dag_id} has no tags')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(config))
    (tmp_path / "etl.py").write_text(good("etl"))
    with ForkServer(Answers()) as server:
        verdict = judge(Subject(revision="r1", root=tmp_path), server)
    (finding,) = verdict.findings
    assert (finding.rule, finding.file) == ("cluster-policy", "etl.py")
    assert finding.message == "refused by the deployment's cluster policy: DAG etl has no tags"


def test_pools_assets_and_retries_of_real_dags_are_described(judged: Judge) -> None:
    text = """
from airflow.sdk import DAG, Asset, task
from airflow.providers.standard.operators.bash import BashOperator

with DAG("etl", schedule=[Asset("orders"), Asset("rates")], default_args={"retries": 2, "owner": "sales"}):

    @task(pool="small", outlets=[Asset("report")])
    def report(part):
        return part

    load = BashOperator.partial(task_id="load", pool="wide", retries=0).expand(bash_command=["a", "b"])
    load >> report.expand(part=[1])
"""
    (dag,) = judged({"etl.py": text}).dags
    assert (dag.schedule, dag.scheduled_by) == ("asset orders and asset rates", ("orders", "rates"))
    assert (dag.pools, dag.retries, dag.outlets) == ({"load": "wide", "report": "small"}, {"report": 2}, ("report",))
    assert dag.tasks == {"load": "BashOperator", "report": "@task"}
    assert (dag.owner, dag.edges) == ("sales", ("load -> report",))


def test_the_policy_of_the_repository_rules(judged: Judge) -> None:
    policy = """
[rules.unknown-pool]
pools = ["wide"]
[rules.retries]
at_least = 1
[rules.tags]
required = ["team:*"]
severity = "warning"
[rules.owner]
allowed = ["team-*"]
[[exceptions]]
rule = "retries"
path = "old/*"
reason = "goes away in June"
"""
    verdict = judged({"airlock.toml": policy, "etl.py": good("etl", ", pool='small'"), "old/a.py": good("a")})
    told = {(finding.rule, finding.file, finding.severity) for finding in verdict.findings}
    assert told == {
        ("unknown-pool", "etl.py", "error"),
        ("retries", "etl.py", "error"),
        ("tags", "etl.py", "warning"),
        ("tags", "old/a.py", "warning"),
        ("owner", "etl.py", "error"),
        ("owner", "old/a.py", "error"),
    }
    assert [(one.finding.file, one.reason) for one in verdict.suppressed] == [("old/a.py", "goes away in June")]
    assert "1 suppressed" in verdict.summary


def test_a_wrong_policy_rejects_the_revision_and_the_rest_is_judged(judged: Judge) -> None:
    verdict = judged({"airlock.toml": "[rules.tag]\n", "etl.py": good("etl"), "bad.py": "# airflow dag\n1/0\n"})
    assert [(finding.rule, finding.place) for finding in verdict.findings] == [
        ("policy", "airlock.toml:1"),
        ("import-error", "bad.py:2"),
    ]


def test_moved_files_are_asked_for_their_unfinished_runs_and_no_others(judged: Judge) -> None:
    live = judged({"etl.py": good("etl"), "quiet.py": good("quiet")})
    asked = []
    root = {"team/etl.py": good("etl"), "etl.py": "", "quiet.py": good("quiet")}
    verdict = judged(root, live=live, unfinished=lambda dag_id: asked.append(dag_id) or 1)
    assert asked == ["etl"]
    assert [finding.rule for finding in verdict.findings] == ["moved-file"]
    assert not verdict.lasting
    again = judged(root, live=live, unfinished=lambda dag_id: 0)
    assert (again.findings, again.lasting) == ((), True)


def test_only_new_dags_are_looked_for_in_other_bundles(judged: Judge) -> None:
    live = judged({"etl.py": good("etl")})
    asked = []
    files = {"etl.py": good("etl"), "new.py": good("new"), "taken.py": good("taken")}
    verdict = judged(
        files,
        live=live,
        owners={"taken": "source sales"},
        bundle_of=lambda dag_id: asked.append(dag_id) or "old-dags",
    )
    assert asked == ["new"]
    assert [(finding.dag_id, finding.severity) for finding in found(verdict, "duplicate-dag-id")] == [
        ("new", "warning"),
        ("taken", "error"),
    ]


def test_the_verdict_is_for_one_policy_and_folder(judged: Judge) -> None:
    policy = parse("[rules.import-budget]\nseconds = 3\n")[0]
    verdict = judged({"etl.py": good("etl")}, environment="e1", policy=policy)
    circumstances = {"environment": "e1", "policy": policy.digest, "subdir": ""}
    assert verdict.is_valid_for(**circumstances)
    for change in ({"environment": "e2"}, {"policy": Policy().digest}, {"subdir": "dags"}):
        assert not verdict.is_valid_for(**{**circumstances, **change})
    assert not replace(verdict, lasting=False).is_valid_for(**circumstances)


def test_a_name_that_would_end_the_dag_processor_is_a_finding_and_names_of_data_are_not(
    judged: Judge, tmp_path: Path
) -> None:
    odd = os.fsdecode(b"gr\xf6\xdfer")
    (tmp_path / odd).mkdir()
    (tmp_path / odd / "helper.py").write_text("import random\n")
    (tmp_path / f"{odd}.csv").write_text("1")
    reader = (
        f"import os, sys\nsys.path.insert(0, {str(tmp_path / odd)!a})\nimport helper\nos.listdir({str(tmp_path)!a})\n"
    )
    good = GOOD.format(name="good", more="")
    assert judged({"good.py": reader + f"open({str(tmp_path / odd) + '.csv'!a}).read()\n" + good}).result == "passed"
    verdict = judged({f"{odd}.py": GOOD.format(name="odd", more="")})
    assert [(one.rule, one.place) for one in verdict.findings] == [("discovery", r"gr\udcf6\udcdfer.py")]
    assert [dag.dag_id for dag in verdict.dags] == ["good"]


def test_what_airflow_cannot_pass_on_is_a_finding(judged: Judge) -> None:
    text = 'from airflow.sdk import DAG\nwith DAG("half", schedule=None, tags=["\\udcff"]):\n    pass\n'
    (finding,) = judged({"half.py": text, "good.py": GOOD.format(name="good", more="")}).findings
    assert (finding.rule, finding.file) == ("crash", "half.py")
    assert "cannot pass on" in finding.message
