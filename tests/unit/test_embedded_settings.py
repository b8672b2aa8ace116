"""airflow.cfg and the environment of the components."""

from __future__ import annotations

import configparser
import json
from pathlib import Path

import pytest

from airlock import project, secret, source as sources
from airlock.embedded import components, deployment as deployments, layout as layouts, settings
from airlock.embedded.deployment import Deployment
from airlock.embedded.layout import Layout
from airlock.errors import StateError
from airlock.source import Source


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(root=tmp_path / "a 100% state")
    layouts.prepare(made)
    return made


def written(layout: Layout, deployment: Deployment) -> configparser.ConfigParser:
    """Write the settings and read them as Airflow does, with interpolation."""
    secret.write_private(
        layout.airflow / "airflow.cfg", settings.config_text(layout, deployment, secret.load(layout.secrets))
    )
    parser = configparser.ConfigParser()
    parser.read(layout.airflow / "airflow.cfg", "utf-8")
    return parser


def test_the_source_survives_the_way_through_the_file(layout: Layout) -> None:
    url = "https://git.example.com/a%20team/$HOME/d%41gs.git"
    deployment = Deployment(repo=url, branch="main", subdir="dags", conn_id="git_dags")
    parser = written(layout, deployment)
    wanted = Source(name="dags", repo_url=url, branch="main", subdir="dags", git_conn_id="git_dags", poll_interval_s=2)
    assert sources.load({"AIRFLOW_HOME": str(layout.airflow)}) == [wanted]
    assert json.loads(parser["dag_processor"]["dag_bundle_config_list"])[1]["kwargs"]["repo_url"] == url


def test_our_own_dags_have_a_bundle_of_their_own(layout: Layout) -> None:
    first = settings.bundles(layout, Deployment())[0]
    assert first["name"] == "airlock-system"
    assert first["kwargs"] == {"path": str(project.ROOT / "dags")}


def test_without_a_repository_the_sample_is_the_source(layout: Layout) -> None:
    kwargs = settings.bundles(layout, Deployment())[1]["kwargs"]
    assert kwargs == {
        "repo_url": str(layout.sample_upstream),
        "branch": "main",
        "refresh_interval": 1,
    }


def test_everything_is_below_the_state_and_on_this_machine_only(layout: Layout) -> None:
    parser = written(layout, Deployment(port=8123))
    assert parser["database"]["sql_alchemy_conn"] == f"sqlite:///{layout.root}/airflow/airflow.db"
    assert parser["dag_processor"]["dag_bundle_storage_path"] == f"{layout.root}/cache/bundles"
    assert (parser["api"]["host"], parser["api"]["port"]) == ("127.0.0.1", "8123")
    assert parser["core"]["execution_api_server_url"] == "http://127.0.0.1:8123/execution/"


def test_secrets_are_private_and_kept(layout: Layout) -> None:
    written(layout, Deployment())
    first = secret.load(layout.secrets)
    files = [layout.airflow / "airflow.cfg", *layout.secrets.iterdir()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (layout.secrets, layout.airflow)} == {0o700}
    assert secret.load(layout.secrets) == first


def test_a_secret_that_others_may_read_is_made_private(layout: Layout) -> None:
    secret.load(layout.secrets)
    layout.password.chmod(0o644)
    secret.load(layout.secrets)
    assert layout.password.stat().st_mode & 0o777 == 0o600


def test_every_fixed_setting_is_protected_from_the_environment(layout: Layout) -> None:
    fixed = settings._fixed(layout, Deployment(), secret.load(layout.secrets))
    for section, options in fixed.items():
        for name in options:
            variable = f"AIRFLOW__{section}__{name}".upper()
            assert settings.allowed_variables({variable: "x", f"{variable}_CMD": "x"}) == {}, variable


@pytest.mark.parametrize(
    "variable",
    [
        "AIRFLOW_HOME",
        "AIRFLOW_CONFIG",
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC",
        "AIRFLOW__WEBSERVER__WEB_SERVER_PORT",
        "AIRFLOW__API__BASE_URL",
    ],
)
def test_variables_that_would_lead_elsewhere_are_removed(variable: str) -> None:
    assert settings.allowed_variables({variable: "x"}) == {}


@pytest.mark.parametrize(
    "variable",
    [
        "AIRFLOW_CONN_GIT_DAGS",
        "AIRFLOW_VAR_X",
        "AIRFLOW__CORE__PARALLELISM",
        "AIRFLOW__SMTP__SMTP_HOST",
        "PATH",
        "HOME",
    ],
)
def test_the_users_other_variables_pass(variable: str) -> None:
    assert settings.allowed_variables({variable: "x"}) == {variable: "x"}


def test_the_environment_of_the_components(layout: Layout) -> None:
    made = components.environment(
        layout, {"NO_PROXY": "example.com", "HTTPS_PROXY": "http://proxy", "AIRFLOW_HOME": "/x"}
    )
    assert made["AIRFLOW_HOME"] == str(layout.airflow)
    assert made["AIRLOCK_STATE"] == str(layout.root)
    assert made["NO_PROXY"] == made["no_proxy"] == "example.com,127.0.0.1,localhost"
    assert made["HTTPS_PROXY"] == "http://proxy"


def test_no_component_serves_logs() -> None:
    commands = {component.name: component.argv[4:] for component in components.airflow_components()}
    assert commands == {
        "api-server": ("api-server",),
        "dag-processor": ("dag-processor",),
        "scheduler": ("scheduler", "-s"),
        "triggerer": ("triggerer", "-s"),
    }


def test_the_record_of_the_last_up(layout: Layout) -> None:
    assert deployments.read(layout) is None
    deployment = Deployment(port=8123, repo="/x", branch="b", subdir="s", conn_id="c")
    deployments.write(layout, deployment)
    assert deployments.read(layout) == deployment


@pytest.mark.parametrize("text", ["", "[]", '{"port": "many"}', '{"port": 1}'])
def test_a_damaged_record_is_said_to_be(layout: Layout, text: str) -> None:
    layout.deployment.write_text(text)
    with pytest.raises(StateError, match=r"deployment\.json is damaged"):
        deployments.read(layout)


NOTHING_GIVEN = {"repo": None, "branch": None, "subdir": None, "port": None, "conn_id": None, "settings": None}


def test_without_options_up_repeats_the_last_one() -> None:
    last = Deployment(port=8123, repo="/x", branch="b", subdir="s", conn_id="c")
    assert deployments.merged(last, **NOTHING_GIVEN) == last
    assert deployments.merged(None, **NOTHING_GIVEN) == Deployment()


def test_options_override_the_last_up() -> None:
    last = Deployment(port=8123, repo="/x", branch="b", subdir="s")
    assert deployments.merged(last, **{**NOTHING_GIVEN, "port": 1}) == Deployment(
        port=1, repo="/x", branch="b", subdir="s"
    )


def test_another_repository_forgets_the_last_ones_branch_and_folder() -> None:
    last = Deployment(port=8123, repo="/x", branch="b", subdir="s", conn_id="c")
    merged = deployments.merged(last, **{**NOTHING_GIVEN, "repo": "/y"})
    assert merged == Deployment(port=8123, repo="/y", branch="", subdir="", conn_id="")
