"""Builds the release DAG of one source: rollback, hold and resume. Wiring only; its documentation is the UI's page."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG, AssetAlias, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from airlock import placement
from airlock.errors import AirlockError
from airlock.source import Source
from airlock.sync_dag import announce, confirm

_DOC = """
The emergency brake of source **{name}**. *Trigger* it; the form asks what to do.

| action | does |
|---|---|
| `rollback` | makes an earlier release live again, within seconds, and puts the source on hold |
| `hold` | stops automatic publishing; each push is still judged and gets its verdict |
| `resume` | ends the hold and publishes the newest revision that passes |

`airlock history` lists the releases with their numbers. Without a number the rollback goes to the release before what
is live. The reason is kept in the release's record, with your name.
"""


def build(source: Source) -> DAG:
    """Return the release DAG of a source."""

    @dag(
        dag_id=f"airlock_release_{source.name}",
        schedule=None,
        max_active_runs=16,  # the brake does not wait for an earlier use of it to be confirmed
        catchup=False,
        is_paused_upon_creation=False,
        tags=["airlock"],
        doc_md=_DOC.format(name=source.name),
        default_args={**placement.default_args(os.environ), "priority_weight": 100},
        params={
            "action": Param("rollback", type="string", enum=["rollback", "hold", "resume"], title="Action"),
            "number": Param(
                None,
                type=["null", "integer"],
                minimum=1,
                title="Release",
                description="Number of the release to roll back to; empty means the one before what is live",
            ),
            "reason": Param(
                "", type=["null", "string"], maxLength=500, title="Reason", description="Kept in the record"
            ),
        },
    )
    def pipeline() -> None:
        confirm(act(source.name))  # type: ignore[arg-type] # an XComArg stands for its value

    return pipeline()


@task(outlets=[AssetAlias("airlock_release")])
def act(name: str) -> dict[str, Any]:
    """Roll back, hold or resume."""
    from airlock import release_task

    context = get_current_context()
    try:
        outcome = release_task.act(name, context, os.environ)
    except AirlockError as error:
        context["ti"].xcom_push(key="failure", value=str(error))
        raise AirflowFailException(str(error)) from error
    announce(context, outcome)
    if outcome.result == "rejected":
        raise AirflowFailException(f"{outcome.reason}: {outcome.message}")
    return outcome.to_json()
