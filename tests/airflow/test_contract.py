"""Private API of Airflow that Airlock uses: if one of these fails, an upgrade of Airflow needs work here first."""

from __future__ import annotations

import importlib
import inspect

import pytest
from pydantic import TypeAdapter


def test_the_dag_processors_parse_function_takes_a_request_and_a_logger() -> None:
    from airflow.dag_processing import processor
    from airflow.sdk.execution_time import comms

    assert list(inspect.signature(processor._parse_file).parameters) == ["msg", "log"]
    assert {"file", "bundle_path", "bundle_name"} <= processor.DagFileParseRequest.model_fields.keys()
    assert {"serialized_dags", "import_errors", "warnings"} <= processor.DagFileParsingResult.model_fields.keys()
    assert "_make_frame(msg).as_bytes()" in inspect.getsource(comms.CommsDecoder.send)


def test_the_frames_of_the_supervisors_socket_are_what_we_answer() -> None:
    import socket

    from airflow.dag_processing import processor
    from airflow.sdk.execution_time import comms

    from airlock.validate.answers import Answers

    ours, theirs = socket.socketpair()
    decoder = comms.CommsDecoder[processor.ToDagProcessor, processor.ToManager](
        socket=theirs, body_decoder=TypeAdapter(processor.ToDagProcessor)
    )
    value = {"type": "VariableResult", "key": "k", "value": "v"}
    answers = Answers(lambda body: value if body["key"] == "k" else None)
    frame = decoder._make_frame(comms.GetVariable(key="k")).as_bytes()
    reply = answers.to_frame(bytes(frame[4:]))
    ours.sendall(reply.frame)
    assert decoder._get_response() == comms.VariableResult(key="k", value="v")
    assert reply.asked
    assert (reply.asked.kind, reply.asked.name) == ("GetVariable", "k")


def test_the_execution_api_refuses_what_we_refuse_in_its_stead() -> None:
    from airflow.api_fastapi.execution_api.routes import connections, variables

    assert "variable_key: Annotated[str, Path(min_length=1)]" in inspect.getsource(variables.get_variable)
    assert "connection_id: Annotated[str, Path(min_length=1)]" in inspect.getsource(connections.get_connection)
    keys = inspect.getsource(variables.get_variable_keys)
    assert "limit: Annotated[int, Query(ge=1, le=10_000)]" in keys
    assert "offset: Annotated[int, Query(ge=0)]" in keys


@pytest.mark.parametrize(("status", "is_told"), [(422, True), (414, True), (401, False), (429, False), (500, False)])
def test_what_the_api_finds_wrong_with_a_question_is_an_answer(
    status: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time import comms, task_runner

    from airlock import stack
    from airlock.errors import OperatorError

    class Supervisor:
        def send(self, message: object) -> None:
            detail = {"status_code": status, "message": "no", "detail": None}
            raise AirflowRuntimeError(comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(), raising=False)
    question = {"type": "GetVariable", "key": "a"}
    if is_told:
        answer = stack.resolve(question)
        assert answer
        assert (answer["type"], answer["error"]) == ("ErrorResponse", "API_SERVER_ERROR")
    else:
        with pytest.raises(OperatorError, match="Airflow did not answer GetVariable"):
            stack.resolve(question)


def test_a_task_can_ask_for_what_we_need() -> None:
    from airflow.sdk.execution_time import comms, supervisor, task_runner

    assert comms.GetDag(dag_id="a").type == "GetDag"
    assert {"bundle_name", "bundle_version"} <= comms.DagResult.model_fields.keys()
    assert comms.GetDRCount(dag_id="a", states=["queued", "running"]).type == "GetDRCount"
    assert "count" in comms.DRCount.model_fields
    assert {"run_id", "conf", "reset_dag_run"} <= comms.TriggerDagRun.model_fields.keys()
    handled = inspect.getsource(supervisor.ActivitySubprocess._handle_request)
    assert "GetDag" in handled
    assert "GetDRCount" in handled
    assert "SUPERVISOR_COMMS" in task_runner.__annotations__
    assert callable(supervisor.block_orm_access)


def test_unfinished_runs_are_asked_of_the_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.execution_time import comms, task_runner

    from airlock import stack

    asked = []

    class Supervisor:
        def send(self, message: comms.GetDRCount) -> comms.DRCount:
            asked.append(message)
            return comms.DRCount(count=2)

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(), raising=False)
    assert stack.unfinished_runs("etl") == 2
    assert [(one.dag_id, one.states) for one in asked] == [("etl", ["queued", "running"])]


def test_the_bundle_of_a_dag_is_told_if_it_is_one_of_those_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.execution_time import comms, task_runner

    from airlock import stack

    stored = {"is_paused": False, "bundle_version": None, "relative_fileloc": "a.py", "owners": "", "tags": []}

    class Supervisor:
        def send(self, message: comms.GetDag) -> comms.DagResult:
            return comms.DagResult(dag_id=message.dag_id, bundle_name="old-dags", next_dagrun=None, **stored)

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(), raising=False)
    assert stack.bundle_of("etl", among={"old-dags"}) == "old-dags"
    assert stack.bundle_of("etl", among={"dags"}) is None


def test_dags_register_themselves_where_we_listen() -> None:
    from airflow.dag_processing.importers import python_importer
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    assert isinstance(DagContext.autoregistered_dags, set)
    assert "cls.autoregistered_dags.add((dag, mod))" in inspect.getsource(DagContext.pop)
    assert "unusual_prefix_" in inspect.getsource(importlib.import_module("airflow.utils.file"))
    assert "autoregistered_dags" in inspect.getsource(python_importer)


def test_the_dag_processor_sees_changes_by_modification_time() -> None:
    from airflow.dag_processing.manager import DagFileProcessorManager

    source = inspect.getsource(DagFileProcessorManager._sort_by_mtime)
    assert "presence_key" in source
    assert "modified_datetime > last_time" in source
