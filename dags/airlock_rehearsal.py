"""
Tries an upgrade before anybody upgrades: takes a **candidate image**, validates what is live inside it, and tells what
would change. Nothing is published and nothing is changed.

| the report says | from |
|---|---|
| which live DAGs would break, with file, line and message | the validation of a push, in a container of the candidate |
| which DAGs would get other tasks, edges or schedules | the verdicts of both images |
| which packages would be added, removed, upgraded or downgraded | the lockfiles of both images |
| which removed or deprecated API your DAGs use | ruff's rules for Airflow |

*Trigger* it with the name of an image that the Docker engine has: `docker pull` or build it first. Red means that a DAG
would break, or that the rehearsal could not take place; the log has the report, and so has the XCom `report`.

It needs a Docker engine: start the stack with profile `sandbox`. A candidate may be another tag of this stack's image,
or a plain `apache/airflow` image; `AIRLOCK_CANDIDATES` allows others.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from airlock import placement


@dag(
    dag_id="airlock_rehearsal",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["airlock"],
    doc_md=__doc__,
    default_args=placement.default_args(os.environ),
    params={
        "image": Param(
            type="string",
            pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]{0,250}$",
            title="Candidate image",
            description="As docker images names it, for example apache/airflow:3.3.3",
        ),
        "source": Param(
            "",
            type=["null", "string"],  # the form does not let an empty field go otherwise
            maxLength=100,
            title="Source",
            description="Whose live revision is tried; empty where there is only one source",
        ),
    },
)
def airlock_rehearsal() -> None:
    """Rehearse an upgrade."""

    @task
    def rehearse() -> dict[str, Any]:
        from airlock.errors import AirlockError
        from airlock.rehearsal import report as reports, task as rehearsal

        context = get_current_context()
        try:
            report = rehearsal.run(context["params"], os.environ)
        except AirlockError as error:  # the command line tells it
            context["ti"].xcom_push(key="failure", value=str(error))
            raise
        document = report.to_json()
        context["ti"].xcom_push(key="outcome", value=document)
        context["ti"].xcom_push(key="report", value=reports.to_markdown(report))
        if not report.is_good:
            raise AirflowFailException(f"CandidateBreaks: {report.summary}")
        return document

    rehearse()


airlock_rehearsal()
