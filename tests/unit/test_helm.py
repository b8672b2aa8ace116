"""The values for the official chart say the same as the compose file, in the form that the chart needs."""

from __future__ import annotations

import json
from typing import Any

import yaml

from airlock import project, source as sources
from airlock.embedded import settings

HELM = project.ROOT / "deploy" / "helm"
VALUES: dict[str, Any] = yaml.safe_load((HELM / "values.yaml").read_text("utf-8"))


def test_the_list_of_bundles_is_one_line_since_the_chart_writes_it_into_a_configuration_file() -> None:
    text = VALUES["config"]["dag_processor"]["dag_bundle_config_list"]
    assert "\n" not in text
    assert json.loads(text)[0]["name"] == settings.SYSTEM_BUNDLE
    (source,) = sources.load({"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": text})
    assert (source.name, source.branch) == ("dags", "main")


def test_it_is_tuned_as_the_other_deployments_are() -> None:
    for section, options in settings._tunable().items():
        if section != "api":  # its time-out only matters where one machine stops everything at once
            for name, value in options.items():
                if name != "parallelism":
                    assert str(VALUES["config"][section][name]) == str(value), (section, name)


def test_the_state_and_the_logs_have_volumes_that_every_pod_may_write() -> None:
    claims = {
        claim["metadata"]["name"]: claim["spec"]["accessModes"]
        for claim in yaml.safe_load_all((HELM / "volumes.yaml").read_text("utf-8"))
    }
    assert claims == {"airlock-state": ["ReadWriteMany"], "airlock-logs": ["ReadWriteMany"]}
    assert VALUES["volumes"][0]["persistentVolumeClaim"]["claimName"] == "airlock-state"
    assert VALUES["volumeMounts"][0]["mountPath"] == "/opt/airlock/state"
    assert VALUES["logs"]["persistence"]["existingClaim"] == "airlock-logs"


def test_the_chart_is_kept_from_bringing_dags_itself() -> None:
    assert VALUES["dags"] == {"gitSync": {"enabled": False}, "persistence": {"enabled": False}}
    assert VALUES["executor"] == "KubernetesExecutor"
