"""What a task asks of the Airflow it runs in: variables and connections for DAG files, unfinished runs, bundles.

It goes through the supervisor of the task, the only way that Airflow leaves to a task: no database, no password.
Private API, held by a contract test: ``task_runner.SUPERVISOR_COMMS`` and the messages of
``airflow.sdk.execution_time.comms``.
"""

from __future__ import annotations

from collections.abc import Mapping, Set as AbstractSet
from http import HTTPStatus
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import comms, task_runner

from airlock.errors import OperatorError

_MESSAGES = {
    "GetVariable": comms.GetVariable,
    "GetConnection": comms.GetConnection,
    "GetVariableKeys": comms.GetVariableKeys,
}
_UNFINISHED = ["queued", "running"]
_ABSENT = {ErrorType.VARIABLE_NOT_FOUND, ErrorType.CONNECTION_NOT_FOUND}
_OF_THE_ASKER = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
}


def resolve(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Answer a DAG file's question for a variable or connection as the DAG processor would; ``None``: there is none.

    What the api-server finds wrong with the question itself is an answer too, with which the file goes on.
    Raises ``OperatorError`` when the deployment does not answer.
    """
    message = _MESSAGES[body["type"]](**body)
    try:
        answer = task_runner.SUPERVISOR_COMMS.send(message)
    except AirflowRuntimeError as error:
        if error.error.error in _ABSENT:
            return None
        if _is_refusal(error.error):
            return error.error.model_dump(mode="json")
        raise OperatorError(
            f"Airflow did not answer {body['type']}: {error}",
            hint="look at the log of the api-server",
            reason="AirflowFailed",
        ) from error
    return None if answer is None else answer.model_dump(exclude_unset=True, by_alias=True)


def _is_refusal(error: comms.ErrorResponse) -> bool:
    """Tell whether the api-server refused the question, and not who asked it."""
    status = (error.detail or {}).get("status_code")
    is_refusal = isinstance(status, int) and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return error.error == ErrorType.API_SERVER_ERROR and is_refusal and status not in _OF_THE_ASKER


def unfinished_runs(dag_id: str) -> int:
    """Return how many runs of a DAG are queued or running.

    Raises ``OperatorError`` when the deployment does not answer.
    """
    try:
        answer = task_runner.SUPERVISOR_COMMS.send(comms.GetDRCount(dag_id=dag_id, states=_UNFINISHED))
    except AirflowRuntimeError as error:
        raise OperatorError(
            f"Airflow did not tell the runs of {dag_id}: {error}",
            hint="look at the log of the api-server",
            reason="AirflowFailed",
        ) from error
    return answer.count if isinstance(answer, comms.DRCount) else 0


def start_run(dag_id: str, run_id: str, conf: Mapping[str, Any], *, again: bool = False) -> None:
    """Start a run of a DAG, unless there is one of that id already; ``again`` starts that one anew.

    Raises ``OperatorError`` when the deployment does not answer, or does not know the DAG.
    """
    message = comms.TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=dict(conf), reset_dag_run=again)
    try:
        answer = task_runner.SUPERVISOR_COMMS.send(message)
    except AirflowRuntimeError as raised:
        answer = raised.error
    if isinstance(answer, comms.ErrorResponse) and answer.error != ErrorType.DAGRUN_ALREADY_EXISTS:
        raise OperatorError(
            f"Airflow did not start {dag_id}: {answer.error.value} {answer.detail or ''}",
            hint="is the DAG there and not paused? look at the log of the api-server",
            reason="AirflowFailed",
        )


def bundle_of(dag_id: str, *, among: AbstractSet[str]) -> str | None:
    """Return the bundle under which the DAG processor stored a DAG last, if it is one of these."""
    try:
        answer = task_runner.SUPERVISOR_COMMS.send(comms.GetDag(dag_id=dag_id))
    except AirflowRuntimeError:
        return None
    return answer.bundle_name if isinstance(answer, comms.DagResult) and answer.bundle_name in among else None
