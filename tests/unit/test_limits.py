from __future__ import annotations

import pytest

from airlock.errors import ConfigError
from airlock.validate import limits
from airlock.validate.limits import Limits


def test_without_settings_the_defaults_hold() -> None:
    assert limits.load({"AIRLOCK_STATE": "/state", "AIRLOCK_VALIDATE_FILE_S": ""}) == Limits()
    assert Limits().width >= 1


def test_each_limit_can_be_set() -> None:
    environ = {
        "AIRLOCK_VALIDATE_FILE_S": "0",
        "AIRLOCK_VALIDATE_TOTAL_S": "60",
        "AIRLOCK_VALIDATE_MEMORY_MB": "512",
        "AIRLOCK_VALIDATE_PROCESSES": "8",
        "AIRLOCK_VALIDATE_OUTPUT_MB": "1",
        "AIRLOCK_VALIDATE_PARALLEL": "3",
        "AIRLOCK_VALIDATE_SHARD_FILES": "100",
        "AIRLOCK_VALIDATE_NETWORK": "allow",
    }
    loaded = limits.load(environ)
    assert loaded == Limits(
        total_s=60, memory_mb=512, processes=8, output_mb=1, parallel=3, shard_files=100, network="allow"
    )
    assert loaded.width == 3


@pytest.mark.parametrize(
    ("executor", "shared"),
    [("LocalExecutor", False), ("CeleryExecutor", True), ("LocalExecutor,KubernetesExecutor", True)],
)
def test_imports_are_shared_by_default_where_the_executor_has_workers(executor: str, *, shared: bool) -> None:
    environ = {"AIRFLOW__CORE__EXECUTOR": executor}
    assert (limits.load(environ).shard_files > 0) == shared
    assert limits.load({**environ, "AIRLOCK_VALIDATE_SHARD_FILES": "0"}).shard_files == 0


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TOTAL_S", "0", "AIRLOCK_VALIDATE_TOTAL_S: '0' is not a whole number from 1 on"),
        ("MEMORY_MB", "2G", "AIRLOCK_VALIDATE_MEMORY_MB: '2G' is not a whole number from 1 on"),
        ("FILE_S", "-1", "AIRLOCK_VALIDATE_FILE_S: '-1' is not a whole number from 0 on"),
        ("NETWORK", "no", "AIRLOCK_VALIDATE_NETWORK: 'no' is neither refuse nor allow"),
        ("MEMORY", "1", "AIRLOCK_VALIDATE_MEMORY: there is no such setting"),
    ],
)
def test_what_makes_no_sense_is_an_error(variable: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        limits.load({f"AIRLOCK_VALIDATE_{variable}": value})
    assert caught.value.message == message
    assert caught.value.hint


def test_the_nearest_setting_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        limits.load({"AIRLOCK_VALIDATE_TOTALS": "1"})
    assert caught.value.hint == "did you mean AIRLOCK_VALIDATE_TOTAL_S?"
