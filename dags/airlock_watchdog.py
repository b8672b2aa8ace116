"""
Looks at every source every ten minutes, and tells through the notifiers of the deployment (`AIRLOCK_NOTIFIERS`) when
something is wrong that no sync can tell:

| event | means |
|---|---|
| `stalled` | for half an hour (`AIRLOCK_WATCHDOG_MINUTES`) upstream cannot be asked, or has what no sync has judged |
| `not-picked-up` | a release was published more than ten minutes ago, and the DAG processor says nothing of it |
| `recovered` | that is over |

Each is told once. A quiet repository and a rejected push are no trouble. The run is green also when there is trouble:
its log and its return value say which.
"""

from __future__ import annotations

import os

from airflow.sdk import dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from airlock import placement


@dag(
    dag_id="airlock_watchdog",
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["airlock"],
    default_args=placement.default_args(os.environ),
    doc_md=__doc__,
)
def airlock_watchdog() -> None:
    """Look at every source."""

    @task
    def look() -> dict[str, list[str]]:
        from airlock import watchdog_task

        return watchdog_task.run(get_current_context(), os.environ)

    look()


airlock_watchdog()
