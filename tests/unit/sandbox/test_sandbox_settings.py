from __future__ import annotations

import pytest

from airlock.errors import ConfigError
from airlock.sandbox import settings as settings_of


def test_without_the_setting_nothing_changes() -> None:
    assert not settings_of.is_on({})
    assert not settings_of.is_on({"AIRLOCK_SANDBOX": ""})


def test_one_setting_turns_it_on() -> None:
    assert settings_of.is_on({"AIRLOCK_SANDBOX": "docker"})


def test_another_value_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="AIRLOCK_SANDBOX: 'podman' is not known") as raised:
        settings_of.is_on({"AIRLOCK_SANDBOX": "podman"})
    assert raised.value.hint


def test_defaults_are_those_of_the_stack() -> None:
    loaded = settings_of.load({})
    assert (loaded.image, loaded.volume) == ("airlock:latest", "airlock-sandbox")
    assert loaded.candidates == ("airlock:*", "apache/airflow:*")


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("airlock:latest", "airlock"),
        ("airlock", "airlock"),
        ("registry.example.com:5000/team/airlock:1.2", "registry.example.com:5000/team/airlock"),
        ("registry.example.com:5000/team/airlock", "registry.example.com:5000/team/airlock"),
        ("airlock:1@sha256:" + "0" * 64, "airlock"),
    ],
)
def test_other_tags_of_the_own_image_are_candidates(image: str, repository: str) -> None:
    loaded = settings_of.load({"AIRLOCK_IMAGE": image})
    assert loaded.candidates[0] == f"{repository}:*"
    assert loaded.allows(image)
    assert loaded.allows(f"{repository}:next")


@pytest.mark.parametrize(
    "image", ["postgres:17", "airlock-secrets:1", "AIRLOCK:latest", "airlock:a b", "", "airlock:x/y z"]
)
def test_other_images_are_not_allowed(image: str) -> None:
    assert not settings_of.load({}).allows(image)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRLOCK_IMAGE", "-x"),
        ("AIRLOCK_IMAGE", "a b"),
        ("AIRLOCK_SANDBOX_VOLUME", "/etc"),
        ("AIRLOCK_SANDBOX_MEMORY_MB", "1g"),
        ("AIRLOCK_SANDBOX_MEMORY_MB", "-1"),
        ("AIRLOCK_SANDBOX_MEMORY_MB", "64"),
        ("AIRLOCK_SANDBOX_CPUS", "0"),
        ("AIRLOCK_SANDBOX_CPUS", "1.5"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_names_the_setting(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        settings_of.load({name: value})
