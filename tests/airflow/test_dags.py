"""The system DAGs, imported by Airflow's own machinery."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airlock import judgement, project

BUNDLES = [
    {"name": name, "classpath": "airlock.bundle.AirlockDagBundle", "kwargs": {"repo_url": "https://host/x.git"}}
    for name in ("sales", "ops")
]


@pytest.fixture
def dags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    from airflow.dag_processing.dagbag import BundleDagBag

    monkeypatch.setenv("AIRLOCK_STATE", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps(BUNDLES))
    folder = project.ROOT / "dags"
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="airlock-system")
    assert bag.import_errors == {}
    return bag.dags


def test_each_source_has_its_dags_and_there_is_one_for_each_other_duty(dags: dict[str, object]) -> None:
    assert dags.keys() == {*judgement.system_dags("sales"), *judgement.system_dags("ops"), *judgement.SYSTEM_DAGS}


def test_system_dags_run_in_their_own_pool_and_tell_what_they_do(dags: dict[str, object]) -> None:
    for dag in dags.values():
        # A question that nobody answers keeps no other from being asked, and a rollback does not wait for another.
        may_be_several = dag.dag_id.startswith(("airlock_approval_", "airlock_release_"))
        assert (dag.max_active_runs == 1) == (not may_be_several)
        assert dag.is_paused_upon_creation is False
        assert {task.pool for task in dag.tasks} == {"airlock"}
        assert dag.doc_md.strip()
        assert dag.catchup is False


def test_system_dags_run_where_the_deployment_says_that_the_state_is(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOCK_QUEUE", "with-state")
    monkeypatch.setenv("AIRLOCK_POD_TEMPLATE", "/opt/airflow/pod.yaml")
    for dag in request.getfixturevalue("dags").values():
        assert {task.queue for task in dag.tasks} == {"with-state"}, dag.dag_id
        assert all(task.executor_config == {"pod_template_file": "/opt/airflow/pod.yaml"} for task in dag.tasks)


@pytest.mark.parametrize("ref", ["-x", "--upload-pack=x", "a b", "a\nb", "/x"])
def test_a_ref_that_git_could_misread_is_refused_by_the_form(dags: dict[str, object], ref: str) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    param = dags["airlock_sync_sales"].params.get_param("ref")
    with pytest.raises(ParamValidationError):
        param.resolve(ref)
    assert param.resolve("feature/x") == "feature/x"


def test_the_watcher_can_be_made_again_from_what_it_serialises(dags: dict[str, object]) -> None:
    from airlock.watcher import SourceWatcher

    (asset,) = dags["airlock_sync_sales"].timetable.asset_condition.objects
    trigger = asset.watchers[0].trigger
    path, kwargs = trigger.serialize()
    assert path == "airlock.watcher.SourceWatcher"
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert SourceWatcher(**kwargs).source.name == "sales"


def test_the_forms_in_the_ui_let_every_field_go_that_may_be_empty(dags: dict[str, object]) -> None:
    """The form takes an empty text for a missing one, unless null is a type of the field."""
    for dag in dags.values():
        for name in dag.params:
            param = dag.params.get_param(name)
            if param.value == "":
                assert "null" in param.schema["type"], f"{dag.dag_id}: {name}"


@pytest.mark.parametrize(
    ("variables", "tasks"),
    [
        ({}, {"sync", "confirm"}),
        ({"AIRLOCK_VALIDATE_SHARD_FILES": "wrong"}, {"sync", "confirm"}),
        ({"AIRLOCK_VALIDATE_SHARD_FILES": "100"}, {"sync", "import_shard", "conclude", "confirm"}),
        ({"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"}, {"sync", "import_shard", "conclude", "confirm"}),
    ],
)
def test_imports_are_shared_where_the_executor_has_workers_or_the_deployment_says_so(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], tasks: set[str]
) -> None:
    from airlock import sync_dag
    from airlock.source import Source

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sync_dag.build(Source(name="sales", repo_url="https://host/x.git")).task_dict.keys() == tasks
