"""What is kept is a setting of the deployment, strictly read."""

from __future__ import annotations

import pytest

from airlock.errors import ConfigError
from airlock.housekeeping import limits
from airlock.housekeeping.limits import Limits


def test_the_defaults_keep_the_metadata_for_ever() -> None:
    assert limits.load({}) == Limits(releases=10, log_days=90, metadata_days=0)


def test_an_empty_variable_is_the_default_as_compose_passes_it() -> None:
    assert limits.load({"AIRLOCK_KEEP_RELEASES": ""}).releases == 10


def test_each_can_be_set() -> None:
    found = limits.load(
        {"AIRLOCK_KEEP_RELEASES": "25", "AIRLOCK_KEEP_LOG_DAYS": "7", "AIRLOCK_KEEP_METADATA_DAYS": "400"}
    )
    assert found == Limits(releases=25, log_days=7, metadata_days=400)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AIRLOCK_KEEP_RELEASES", "9"), ("AIRLOCK_KEEP_LOG_DAYS", "-1"), ("AIRLOCK_KEEP_METADATA_DAYS", "a year")],
)
def test_what_cannot_be_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable}: '{value}' is not a whole number of at least"):
        limits.load({variable: value})
