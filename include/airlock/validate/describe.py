"""What a DAG looks like in a verdict: read from the form in which Airflow stores it.

Runs in the child after foreign code has run, so it takes hold of what it needs when it is imported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

_dumps, _sha256 = json.dumps, hashlib.sha256
_PLACE_KEYS = ("fileloc", "relative_fileloc", "bundle_name", "bundle_version", "_processor_dags_folder")
_TEMPORARY = "/tmp"  # noqa: S108 - what a DAG file is told elsewhere
_DEFAULT_POOL = "default_pool"
_ASSET_KINDS = ("asset", "asset_alias", "asset_ref", "asset_name_ref", "asset_uri_ref")


def dag(stored: Mapping[str, Any], root: str, scratch: str = "") -> dict[str, Any]:
    """Return the fields of ``airlock.verdict.Dag``, less its file, of one serialised DAG of the tree at ``root``.

    ``scratch`` is the temporary directory of the import, another one every time.
    """
    fields = stored["dag"]
    defaults = (stored.get("client_defaults") or {}).get("tasks") or {}
    tasks = [_task(task, defaults) for task in fields.get("tasks", [])]
    return {
        "dag_id": fields["dag_id"],
        "schedule": schedule(fields.get("timetable")),
        "owner": ", ".join(sorted({str(task.get("owner", "airflow")) for task in tasks})),
        "tags": sorted(fields.get("tags") or []),
        "tasks": {task["task_id"]: str(task.get("_operator_name") or task.get("task_type") or "") for task in tasks},
        "edges": sorted(
            f"{task['task_id']} -> {below}" for task in tasks for below in task.get("downstream_task_ids", [])
        ),
        "pools": _by_task(tasks, "pool", str, _DEFAULT_POOL),
        "retries": _by_task(tasks, "retries", int, 0),
        "inlets": _assets(task.get("inlets") for task in tasks),
        "outlets": _assets(task.get("outlets") for task in tasks),
        "scheduled_by": _assets([(_values(fields.get("timetable"))).get("asset_condition")]),
        "digest": _sha256(_without_place(fields, root, scratch).encode()).hexdigest(),
    }


def parts(stored: Mapping[str, Any], root: str, scratch: str = "") -> dict[str, str]:
    """Return a short digest of each attribute of a serialised DAG and of its tasks, to tell which of them differ."""
    told: dict[str, str] = {}
    for key, value in stored["dag"].items():
        if key == "tasks":
            for task in value:
                fields = task.get("__var", task)
                told |= {
                    f"task {fields['task_id']}, {name}": _short(item, root, scratch) for name, item in fields.items()
                }
        elif key not in _PLACE_KEYS:
            told[key] = _short(value, root, scratch)
    return told


def schedule(timetable: Any) -> str:
    """Return a schedule in a few words: the cron expression or interval where it has one, else the timetable's name."""
    if not isinstance(timetable, dict):
        return "None"
    name = str(timetable.get("__type", "")).rpartition(".")[2]
    values = _values(timetable)
    if name == "NullTimetable":
        return "None"
    if "asset_condition" in values:
        assets = _condition(values["asset_condition"])
        return f"{assets} or {schedule(values['timetable'])}" if "timetable" in values else assets
    if "expression" in values:
        zone = values.get("timezone", "UTC")
        return str(values["expression"]) if zone == "UTC" else f"{values['expression']} {zone}"
    if name in ("DeltaDataIntervalTimetable", "DeltaTriggerTimetable") and "delta" in values:
        delta = values["delta"]
        return f"every {delta:g} s" if isinstance(delta, int | float) else f"every {_dumps(delta, default=str)}"
    return name.removesuffix("Timetable") or "None"


def _task(task: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's fields: those of a mapped task stand in ``partial_kwargs``."""
    fields = task.get("__var", task)
    return {**defaults, **(fields.get("partial_kwargs") or {}), **fields}


def _by_task(tasks: Iterable[Mapping[str, Any]], key: str, kind: Callable[[Any], Any], usual: Any) -> dict[str, Any]:
    return {task["task_id"]: kind(task[key]) for task in tasks if task.get(key) not in (None, usual)}


def _assets(values: Iterable[Any]) -> list[str]:
    return sorted({name for value in values for name in _asset_names(value)})


def _asset_names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _asset_names(item)
    elif isinstance(value, dict):
        if value.get("__type") in _ASSET_KINDS:
            yield _asset_name(value)
        else:
            yield from _asset_names(value.get("objects") or value.get("__var"))


def _asset_name(asset: Mapping[str, Any]) -> str:
    values = asset.get("__var", asset)
    return str(values.get("name") or values.get("uri") or "")


def _condition(condition: Any) -> str:
    """Return an asset condition as it is read aloud: names joined by ``and`` and ``or``."""
    if not isinstance(condition, dict):
        return "assets"
    objects = condition.get("objects")
    if objects is None:
        return f"asset {_asset_name(condition)}"
    word = " or " if condition.get("__type") == "asset_any" else " and "
    told = [_condition(one) for one in objects]
    return told[0] if len(told) == 1 else word.join(f"({one})" if " " in one[6:] else one for one in told)


def _values(timetable: Any) -> Mapping[str, Any]:
    values = timetable.get("__var") if isinstance(timetable, dict) else None
    return values if isinstance(values, dict) else {}


def _without_place(fields: Mapping[str, Any], root: str, scratch: str) -> str:
    kept = {key: value for key, value in fields.items() if key not in _PLACE_KEYS}
    return _placeless(_dumps(kept, sort_keys=True, default=str), root, scratch)


def _short(value: Any, root: str, scratch: str) -> str:
    return _sha256(_placeless(_dumps(value, sort_keys=True, default=str), root, scratch).encode()).hexdigest()[:12]


def _placeless(text: str, root: str, scratch: str) -> str:
    text = text.replace(root, "")
    return text.replace(scratch, _TEMPORARY) if scratch else text
