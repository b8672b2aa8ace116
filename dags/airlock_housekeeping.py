"""
Keeps the deployment from growing without end. It runs once a night; trigger it with **dry run** to see what would go.

| task | removes | kept by default |
|---|---|---|
| `trees` | the files of old releases; their commits and records stay | live, the newest 10, what unfinished runs need |
| `repositories` | nothing that is needed: it packs the git repositories of the state | |
| `logs` | old task logs | 90 days |
| `metadata` | old rows of Airflow's database (`airflow db clean`) | all: it is **off** until you set days |

The defaults are set by the deployment: `AIRLOCK_KEEP_RELEASES`, `AIRLOCK_KEEP_LOG_DAYS`, `AIRLOCK_KEEP_METADATA_DAYS`.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from airlock import placement
from airlock.housekeeping import limits

_DEFAULT = limits.load(os.environ)


@dag(
    dag_id="airlock_housekeeping",
    schedule=CronTriggerTimetable("17 3 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["airlock"],
    default_args=placement.default_args(os.environ),
    doc_md=__doc__,
    params={
        "dry_run": Param(
            default=False, type="boolean", title="Dry run", description="Tell what would go; remove nothing"
        ),
        "releases": Param(
            _DEFAULT.releases, type="integer", minimum=10, title="Releases", description="Trees that stay, the newest"
        ),
        "log_days": Param(
            _DEFAULT.log_days, type="integer", minimum=0, title="Days of logs", description="0 keeps them for ever"
        ),
        "metadata_days": Param(
            _DEFAULT.metadata_days,
            type="integer",
            minimum=0,
            title="Days of metadata",
            description="Rows of Airflow's database; 0 keeps them for ever",
        ),
    },
)
def airlock_housekeeping() -> None:
    """Four clean-ups that do not depend on each other."""

    @task
    def trees() -> dict[str, Any]:
        from airlock import housekeeping_task

        return housekeeping_task.trees(get_current_context()["params"], os.environ)

    @task
    def repositories() -> dict[str, Any]:
        from airlock import housekeeping_task

        return housekeeping_task.repositories(get_current_context()["params"], os.environ)

    @task
    def logs() -> dict[str, Any]:
        from airlock import housekeeping_task

        return housekeeping_task.logs(get_current_context()["params"])

    @task
    def metadata() -> None:
        from airlock import housekeeping_task

        housekeeping_task.metadata(get_current_context()["params"], os.environ)

    trees()
    repositories()
    logs()
    metadata()


airlock_housekeeping()
