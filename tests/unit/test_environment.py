from __future__ import annotations

from pathlib import Path

import pytest

from airlock.validate import environment


@pytest.mark.parametrize(
    "name",
    [
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__CORE__FERNET_KEY_CMD",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET",
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRLOCK_TOKEN",
        "AIRFLOW_GIT_TOKEN",
        "_AIRFLOW_PROCESS_CONTEXT",
        "AIRFLOW_CTX_DAG_RUN_ID",
    ],
)
def test_secrets_of_the_deployment_do_not_reach_dag_files(name: str, tmp_path: Path) -> None:
    assert name not in environment.for_children({name: "x"}, tmp_path)


def test_what_the_dag_processor_would_see_stays(tmp_path: Path) -> None:
    kept = {"AIRFLOW_VAR_REGION": "eu", "AIRFLOW_CONN_LAKE": "s3://", "TEAM": "x", "AIRFLOW__CORE__PARALLELISM": "3"}
    assert environment.for_children(kept, tmp_path).items() >= kept.items()


def test_the_configuration_file_is_copied_without_its_secrets(tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    (home / "airflow.cfg").write_text(
        "[core]\nfernet_key = k1\nparallelism = 5\n"
        "[database]\nsql_alchemy_conn_cmd = print it\n[api_auth]\njwt_secret = k2\n"
    )
    made = environment.for_children({"AIRFLOW_HOME": str(home)}, scratch)
    text = Path(made["AIRFLOW_CONFIG"]).read_text()
    assert "parallelism = 5" in text
    assert not [secret for secret in ("k1", "k2", "print it") if secret in text]
    assert made["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "sqlite://"


def test_a_relative_search_path_still_means_the_same_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = environment.for_children({"PYTHONPATH": "include:/opt/x"}, tmp_path)
    assert made["PYTHONPATH"].split(":")[1:] == [str(tmp_path / "include"), "/opt/x"]


def test_sets_come_in_the_same_order_every_time(tmp_path: Path) -> None:
    assert environment.for_children({}, tmp_path)["PYTHONHASHSEED"] == "0"
    assert environment.for_children({"PYTHONHASHSEED": "7"}, tmp_path)["PYTHONHASHSEED"] == "7"
