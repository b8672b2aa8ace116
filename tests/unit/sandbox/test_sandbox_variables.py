"""What a sandbox learns of the deployment's environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from airlock.sandbox import variables


def given(tmp_path: Path, **environ: str) -> dict[str, str]:
    return variables.for_container(environ, tmp_path, tmp_path / "package")


def test_what_dag_files_may_read_is_handed_on(tmp_path: Path) -> None:
    told = given(tmp_path, BUCKET="orders", AIRFLOW__CORE__PARALLELISM="8", TZ="Asia/Seoul")
    assert told["BUCKET"] == "orders"
    assert told["AIRFLOW__CORE__PARALLELISM"] == "8"
    assert told["TZ"] == "Asia/Seoul"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW__CORE__FERNET_KEY", "x"),
        ("AIRFLOW__CORE__FERNET_KEY_CMD", "cat /opt/airlock/secrets/fernet-key"),
        ("AIRFLOW__API_AUTH__JWT_SECRET", "x"),
        ("AIRFLOW__CELERY__FLOWER_BASIC_AUTH_CMD", "cat /opt/airlock/secrets/flower-basic-auth"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", '{"token": "x"}'),
        ("AIRFLOW__CELERY__BROKER_URL", "redis://:x@redis/0"),
        ("AIRFLOW_CONN_WAREHOUSE", "postgres://u:x@db/w"),
        ("AIRFLOW_VAR_PRICE", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("GITHUB_TOKEN", "x"),
        ("POSTGRES_PASSWORD", "x"),
        ("my_password", "x"),
        ("SENTRY_DSN", "x"),
        ("STRIPE_API_KEY", "x"),
        ("WAREHOUSE", "postgres://user:x@db/warehouse"),
        ("DOCKER_HOST", "tcp://docker-proxy:2375"),
        ("AIRLOCK_PASSWORD_FILE", "/x"),
        ("HTTPS_PROXY", "http://proxy"),
    ],
)
def test_secrets_and_addresses_are_not(tmp_path: Path, name: str, value: str) -> None:
    assert name not in given(tmp_path, **{name: value})


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "VIRTUAL_ENV", "AIRFLOW_VERSION", "LANG"]
)
def test_what_belongs_to_an_image_is_left_to_it(tmp_path: Path, name: str) -> None:
    assert name not in given(tmp_path, **{name: "/x"})


def test_airlock_comes_from_the_volume_and_the_rest_from_the_image(tmp_path: Path) -> None:
    told = given(tmp_path, PYTHONPATH="/opt/airlock/include:/opt/ours:relative")
    assert told["PYTHONPATH"].split(":") == [str(tmp_path / "package"), "/opt/airlock/include", "/opt/ours"]


def test_the_configuration_file_lies_in_the_volume_without_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "own.cfg").write_text("[core]\nfernet_key = hidden\nparallelism = 3\n")
    place = tmp_path / "place"
    place.mkdir()
    told = variables.for_container({"AIRFLOW_CONFIG": str(tmp_path / "own.cfg")}, place, place / "package")
    assert told["AIRFLOW_CONFIG"] == str(place / "airflow.cfg")
    assert (place / "airflow.cfg").read_text().split() == ["[core]", "parallelism", "=", "3"]
