from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from airlock import source
from airlock.errors import ConfigError

_VARIABLE = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"


def entry(name: str = "dags", **kwargs: Any) -> dict[str, Any]:
    return {"name": name, "classpath": source.BUNDLE_CLASS, "kwargs": {"repo_url": "https://host/x.git", **kwargs}}


def test_only_airlocks_bundles_are_sources() -> None:
    other = {
        "name": "system",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": "/x"},
    }
    found = source.load({_VARIABLE: json.dumps([other, entry(branch="prod", subdir="dags", refresh_interval=1)])})
    assert found == [source.Source(name="dags", repo_url="https://host/x.git", branch="prod", subdir="dags")]


def test_what_of_a_repository_is_taken_can_be_set() -> None:
    kwargs = {"submodules": True, "sparse": ["dags", "libs/common"], "depth": 5, "subdir": "dags/daily"}
    (found,) = source.load({_VARIABLE: json.dumps([entry(**kwargs)])})
    assert (found.submodules, found.sparse, found.depth) == (True, ("dags", "libs/common"), 5)
    assert found.takes == "submodules; only dags, libs/common"
    settings = {name: value for name, value in asdict(found).items() if name != "name"}
    assert source.parse("dags", settings, path="dags") == found  # as the watcher's trigger is made again


def test_two_sources_cannot_share_a_release_repository() -> None:
    entries = [entry("sales", release_url="/srv/r.git"), entry("ops", release_url="/srv/r.git")]
    with pytest.raises(ConfigError, match=r"\[1\].kwargs.release_url: source sales has the same release repository"):
        source.load({_VARIABLE: json.dumps(entries)})


def test_the_list_is_read_from_the_configuration_file_of_airflow(tmp_path: Path) -> None:
    value = json.dumps([entry("team-a")])
    (tmp_path / "airflow.cfg").write_text(f"[dag_processor]\ndag_bundle_config_list = {value}\n")
    assert [found.name for found in source.load({"AIRFLOW_HOME": str(tmp_path)})] == ["team-a"]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"branche": "x"},
            "[dag_processor] dag_bundle_config_list[0].kwargs.branche: unknown setting\nhint: did you mean branch?",
        ),
        (
            {"branch": 3},
            "[dag_processor] dag_bundle_config_list[0].kwargs.branch: 3 has the wrong type\nhint: give a string",
        ),
        ({"subdir": "../x"}, "[dag_processor] dag_bundle_config_list[0].kwargs.subdir: '../x' leaves the repository"),
        (
            {"branch": "--upload-pack=x"},
            "[dag_processor] dag_bundle_config_list[0].kwargs.branch: '--upload-pack=x' cannot be",
        ),
        ({"repo_url": "https://dora:s3cret@host/x"}, "kwargs.repo_url: https://***@host/x holds a password"),
        ({"repo_url": f"https://{'t' * 36}@host/x"}, "kwargs.repo_url: https://***@host/x holds a password or a token"),
        ({"release_url": "https://dora:s3cret@host/x"}, "kwargs.release_url: https://***@host/x holds a password"),
        ({"release_url": "--upload-pack=x"}, "kwargs.release_url: '--upload-pack=x' is not a URL"),
        ({"poll_interval_s": 0.1}, "kwargs.poll_interval_s: 0.1 is too short"),
        ({"repo_url": None}, "kwargs.repo_url: missing"),
        ({"forge": "githup", "git_conn_id": "c"}, "kwargs.forge: 'githup' is unknown\nhint: known: github"),
        ({"forge": "gitea"}, "kwargs.forge: needs git_conn_id"),
        ({"submodules": 1}, "kwargs.submodules: 1 has the wrong type\nhint: give true or false"),
        ({"sparse": "dags"}, "kwargs.sparse: 'dags' has the wrong type\nhint: give a list of folders"),
        ({"sparse": ["a", 1]}, "kwargs.sparse: ['a', 1] has the wrong type"),
        ({"sparse": ["a", "../b"]}, "kwargs.sparse[1]: '../b' leaves the repository"),
        ({"sparse": ["."]}, "kwargs.sparse[0]: '.' is no folder"),
        ({"sparse": ["a"], "subdir": "dags"}, "kwargs.subdir: 'dags' is in none of the folders of sparse"),
        ({"depth": True}, "kwargs.depth: True has the wrong type\nhint: give a whole number"),
        ({"depth": 1.5}, "kwargs.depth: 1.5 has the wrong type"),
        ({"depth": -1}, "kwargs.depth: -1 is no number of commits"),
    ],
)
def test_a_wrong_setting_is_named_with_its_path(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source.load({_VARIABLE: json.dumps([entry(**kwargs)])})
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["{", '{"name": "dags"}'])
def test_a_list_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="dag_bundle_config_list: not"):
        source.load({_VARIABLE: text})


def test_the_only_source_needs_no_name_and_a_wrong_name_gets_the_nearest() -> None:
    one, two = source.Source(name="sales"), source.Source(name="ops")
    assert source.named([one], None) == one
    with pytest.raises(ConfigError, match="which source"):
        source.named([one, two], None)
    with pytest.raises(ConfigError, match="did you mean sales"):
        source.named([one, two], "sale")


def test_bundles_that_are_no_sources_are_known_by_name() -> None:
    entries = [
        {"name": "airlock-system", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle"},
        entry(),
        {"name": "old-dags", "classpath": "airflow.providers.git.bundles.git.GitDagBundle"},
    ]
    assert source.other_bundles({_VARIABLE: json.dumps(entries)}) == {"old-dags"}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("tag", "v1", "v1"),
        ("commit", "1" * 40, "1" * 40),
        ("submodules", "true", True),
        ("depth", "3", 3),
        ("poll_interval_s", "2.5", 2.5),
        ("sparse", "dags, shared", ["dags", "shared"]),
        ("sparse", "", []),
        ("depth", "many", "many"),
        ("unknown", "1", "1"),
    ],
)
def test_a_setting_written_as_text(key: str, text: str, value: object) -> None:
    assert source.value_of(key, text) == value
