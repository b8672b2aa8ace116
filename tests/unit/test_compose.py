"""The compose file says what the documents say, and the stack is tuned as the embedded deployment is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from airlock import project, source as sources
from airlock.embedded import settings
from airlock.source import BUNDLE_CLASS

TEXT = (project.ROOT / "docker-compose.yaml").read_text("utf-8")
STACK: dict[str, Any] = yaml.safe_load(TEXT)
EXAMPLE = (project.ROOT / ".env.example").read_text("utf-8")
ENVIRONMENT: dict[str, str] = STACK["x-airflow-environment"]
VARIABLE = re.compile(r"\$\{(\w+)(:?-(.*?))?\}+")


def test_every_setting_of_the_compose_file_is_explained_in_the_example_and_no_other() -> None:
    used = {match[1] for match in VARIABLE.finditer(TEXT)} | {"UV_DEFAULT_INDEX", "COMPOSE_PROFILES"}
    used.remove("COMPOSE_PROJECT_NAME")  # Compose sets it itself
    explained = set(re.findall(r"^#?(\w+)=", EXAMPLE, re.MULTILINE))
    assert explained == used


@pytest.mark.parametrize("name", ["AIRLOCK_PORT", "AIRLOCK_EXECUTOR", "AIRLOCK_BASE_IMAGE", "AIRLOCK_TASK_MEMORY"])
def test_the_example_names_the_default(name: str) -> None:
    default = next(match[3] for match in VARIABLE.finditer(TEXT) if match[1] == name)
    assert f"#{name}={default}\n" in EXAMPLE


def test_the_stack_is_tuned_as_the_embedded_deployment_is() -> None:
    for section, options in settings._tunable().items():
        for name, value in options.items():
            found = ENVIRONMENT[f"AIRFLOW__{section}__{name}".upper()]
            assert VARIABLE.sub(lambda match: match[3] or "", found) == str(value).lower(), (section, name)


def test_every_profile_is_named_in_the_example() -> None:
    profiles = {name for service in STACK["services"].values() for name in service.get("profiles", ())}
    assert {name for name in profiles - {"restore"} if f"{name} (" not in EXAMPLE} == set()


def test_the_list_of_bundles_is_one_source_and_our_own_dags() -> None:
    text = ENVIRONMENT["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"]
    filled = VARIABLE.sub(lambda match: match[3] or "", text)
    system, dags = json.loads(filled)
    assert system["name"] == settings.SYSTEM_BUNDLE
    assert dags["classpath"] == BUNDLE_CLASS
    (source,) = sources.load({"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": filled})
    assert (source.name, source.branch, source.poll_interval_s) == ("dags", "main", 2)


def test_every_secret_setting_of_airflow_is_read_from_a_file() -> None:
    secret = re.compile(
        r"FERNET_KEY|SECRET_KEY|JWT_SECRET|SQL_ALCHEMY_CONN|BROKER_URL|RESULT_BACKEND|BASIC_AUTH|PASSWORD"
    )
    found = {name: value for name, value in ENVIRONMENT.items() if secret.search(name)}
    assert len(found) == 8
    for name, value in found.items():
        assert name.endswith(("_CMD", "_FILE")), name
        assert "/opt/airlock/secrets/" in value


@pytest.mark.parametrize("name", STACK["services"])
def test_every_service_is_bounded_and_has_no_more_rights_than_it_needs(name: str) -> None:
    service = STACK["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert not service.get("privileged")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    if service["restart"] == "unless-stopped":
        assert "mem_limit" in service
        assert "healthcheck" in service


def test_every_volume_says_what_it_is_for() -> None:
    for name in STACK["volumes"]:
        assert re.search(rf"^  {name}: # \w", TEXT, re.MULTILINE), name
