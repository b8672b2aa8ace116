from __future__ import annotations

from typing import Any

import pytest

from airlock.validate import describe


def cron(expression: str, zone: str = "UTC") -> dict[str, Any]:
    return {
        "__type": "airflow.timetables.trigger.CronTriggerTimetable",
        "__var": {"expression": expression, "timezone": zone},
    }


def asset(name: str) -> dict[str, Any]:
    return {"__type": "asset", "name": name, "uri": f"s3://{name}"}


def any_of(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"__type": "asset_any", "objects": list(objects)}


def all_of(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"__type": "asset_all", "objects": list(objects)}


def stored(*tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "dag": {"dag_id": "etl", "tasks": [{"__type": "operator", "__var": task} for task in tasks], **fields},
    }


@pytest.mark.parametrize(
    ("timetable", "told"),
    [
        (None, "None"),
        ({"__type": "airflow.timetables.simple.NullTimetable", "__var": {}}, "None"),
        ({"__type": "airflow.timetables.simple.OnceTimetable", "__var": {}}, "Once"),
        ({"__type": "airflow.timetables.trigger.DeltaTriggerTimetable", "__var": {"delta": 3600.0}}, "every 3600 s"),
        (cron("0 3 * * *"), "0 3 * * *"),
        (cron("0 3 * * *", "Europe/Paris"), "0 3 * * * Europe/Paris"),
        ({"__type": "x.AssetTriggeredTimetable", "__var": {"asset_condition": asset("a")}}, "asset a"),
        (
            {"__type": "x.AssetTriggeredTimetable", "__var": {"asset_condition": all_of(asset("a"), asset("b"))}},
            "asset a and asset b",
        ),
        (
            {
                "__type": "x.AssetOrTimeSchedule",
                "__var": {
                    "asset_condition": all_of(any_of(asset("a"), asset("b")), asset("c")),
                    "timetable": cron("@daily"),
                },
            },
            "(asset a or asset b) and asset c or @daily",
        ),
        ({"__type": "company.timetables.Fiscal", "__var": {"quarter": 1}}, "Fiscal"),
    ],
)
def test_a_schedule_is_told_in_a_few_words(timetable: Any, told: str) -> None:
    assert describe.schedule(timetable) == told


def test_pools_retries_and_assets_are_listed_where_they_are_not_the_default() -> None:
    one = describe.dag(
        stored(
            {"task_id": "plain", "task_type": "BashOperator", "pool": "default_pool", "downstream_task_ids": ["own"]},
            {"task_id": "own", "task_type": "_Py", "_operator_name": "@task", "pool": "small", "retries": 2},
            {"task_id": "out", "task_type": "X", "outlets": [{"__type": "asset", "__var": {"name": "sales"}}]},
            {
                "task_id": "mapped",
                "task_type": "X",
                "_is_mapped": True,
                "partial_kwargs": {
                    "pool": "wide",
                    "owner": "dora",
                    "inlets": [{"__type": "asset", "__var": asset("a")}],
                },
            },
            tags=["b", "a"],
            timetable={"__type": "x.AssetTriggeredTimetable", "__var": {"asset_condition": any_of(asset("a"))}},
        ),
        "/tree",
    )
    assert one["tasks"] == {"plain": "BashOperator", "own": "@task", "out": "X", "mapped": "X"}
    assert (one["pools"], one["retries"]) == ({"own": "small", "mapped": "wide"}, {"own": 2})
    assert (one["inlets"], one["outlets"], one["scheduled_by"]) == (["a"], ["sales"], ["a"])
    assert (one["owner"], one["tags"], one["edges"]) == ("airflow, dora", ["a", "b"], ["plain -> own"])


def test_the_deployments_defaults_count_where_a_task_has_no_value_of_its_own() -> None:
    document = stored({"task_id": "a"}, {"task_id": "b", "retries": 5})
    document["client_defaults"] = {"tasks": {"retries": 2, "owner": "platform"}}
    one = describe.dag(document, "/tree")
    assert (one["retries"], one["owner"]) == ({"a": 2, "b": 5}, "platform")


def test_the_digest_does_not_depend_on_the_place_on_disk() -> None:
    there = describe.dag(
        stored({"task_id": "a", "cwd": "/one/sql"}, fileloc="/one/etl.py", _processor_dags_folder="/home/one"), "/one"
    )
    here = describe.dag(stored({"task_id": "a", "cwd": "/two/sql"}, fileloc="/two/etl.py"), "/two")
    assert there["digest"] == here["digest"]
    other = describe.dag(stored({"task_id": "a", "cwd": "/two/csv"}, fileloc="/two/etl.py"), "/two")
    assert other["digest"] != here["digest"]


def test_the_part_that_differs_is_named() -> None:
    one = describe.parts(stored({"task_id": "a", "bash_command": "1"}, start_date=1), "/tree")
    two = describe.parts(stored({"task_id": "a", "bash_command": "2"}, start_date=2), "/tree")
    assert sorted(key for key in one if one[key] != two[key]) == ["start_date", "task a, bash_command"]
