"""Builds the approval DAG of one source. Wiring only; its documentation is the UI's page."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, AssetAlias, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from airlock import approval, placement
from airlock.errors import AirlockError
from airlock.source import Source
from airlock.sync_dag import announce, confirm

_DOC = """
Asks a person about a revision of source **{name}** that passed, and to which a guard objects: it removes many DAGs or
all of them, or touches a protected one. Syncs start it; do not trigger it by hand.

| task | does |
|---|---|
| `is_open` | ends the run when the question is superseded |
| `ask` | waits for *Approve* or *Reject*, see **Required Actions**; {hours:g} hours without one: *Reject* |
| `publish` | publishes exactly that revision, if upstream and live have not moved on |
| `confirm` | waits until the DAG processor shows the release |
| `close` | records a *Reject*; what is live stays live |

A newer revision, or another release, supersedes the question: its run ends by itself. Who answers just before publishes
nothing, and `publish` says so in red.
"""


def build(source: Source) -> DAG:
    """Return the approval DAG of a source."""
    waits = approval.time_out(os.environ)

    @dag(
        dag_id=f"airlock_approval_{source.name}",
        schedule=None,
        max_active_runs=100,  # a question of which nobody knew that it was superseded blocks nobody
        catchup=False,
        is_paused_upon_creation=False,
        tags=["airlock"],
        doc_md=_DOC.format(name=source.name, hours=waits.total_seconds() / 3600),
        default_args=placement.default_args(os.environ),
    )
    def pipeline() -> None:
        ask = ApprovalOperator(
            task_id=approval.ASK,
            subject="{{ dag_run.conf['subject'] }}",
            body="{{ dag_run.conf['body'] }}",
            defaults=ApprovalOperator.REJECT,
            response_timeout=waits,
        )
        published = publish(source.name)
        is_open(source.name) >> ask >> published >> close(source.name)
        confirm(published)  # type: ignore[arg-type] # an XComArg stands for its value

    return pipeline()


@task.short_circuit
def is_open(name: str) -> bool:
    """Ask nobody where the question is superseded."""
    from airlock import approval_task

    return approval_task.is_open(name, get_current_context(), os.environ)


# A worker that is killed costs a retry, not the answer.
@task(outlets=[AssetAlias("airlock_release")], retries=2, retry_delay=timedelta(seconds=5))
def publish(name: str) -> dict[str, Any]:
    """Publish what was approved."""
    from airlock import approval_task

    context = get_current_context()
    try:
        outcome = approval_task.publish(name, context, os.environ)
    except AirlockError as error:
        raise AirflowFailException(str(error)) from error
    announce(context, outcome)
    if outcome.reason == "Superseded" or outcome.result == "rejected":
        raise AirflowFailException(f"{outcome.reason}: {outcome.message}")
    return outcome.to_json()


@task(trigger_rule="none_failed")
def close(name: str) -> None:
    """Record a reject."""
    from airlock import approval_task

    approval_task.close(name, get_current_context(), os.environ)
