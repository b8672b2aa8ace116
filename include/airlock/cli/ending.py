"""How a run that publishes ended, for people, for scripts, and as an exit status."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from airlock import api, source as sources
from airlock.api import Api
from airlock.cli import options
from airlock.errors import OperatorError

_STATUS = {"published": 0, "unchanged": 0, "passed": 0, "waiting": 1, "rejected": 1}
_TIMEOUT_S = 3600.0


def of_release_dag(args: argparse.Namespace, action: str, **params: Any) -> int:
    """Have the release DAG of ``args.source`` do something, wait for the end, print it and return the exit status."""
    state = options.state_of(args)
    source = sources.named(options.sources_of(state), args.source)
    conf = {"action": action, "reason": args.reason, **params}
    return tell(api.connect(state), api.release_dag_id(source), ("act",), conf, as_json=args.json)


def tell(airflow: Api, dag_id: str, task_ids: Sequence[str], conf: Mapping[str, Any], *, as_json: bool) -> int:
    """Trigger a DAG of whose tasks one tells an outcome, wait for the end, print it and return the exit status.

    Raises ``OperatorError`` when the run ended without an outcome.
    """
    run_id = airflow.trigger(dag_id, conf)
    ended = airflow.wait(dag_id, run_id, timeout_s=_TIMEOUT_S)
    outcome = _told(airflow, dag_id, run_id, task_ids, "outcome")
    if not isinstance(outcome, dict):
        told = _told(airflow, dag_id, run_id, task_ids, "failure") or "it ended without a result"
        log = f"{airflow.url}/dags/{dag_id}/runs/{run_id}"
        raise OperatorError(f"the {task_ids[0]} task failed: {told}\nlog: {log}")
    lines = [_headline(outcome), *outcome["findings"], *outcome["changes"]]
    is_unconfirmed = outcome["result"] == "published" and ended == "failed"
    if is_unconfirmed:
        lines.append("Airflow does not have it as it was judged yet; see the log of the confirm task")
    document = {"dag_id": dag_id, "run_id": run_id, **outcome, "confirmed": ended == "success"}
    print(json.dumps(document) if as_json else "\n".join(lines))
    return 2 if is_unconfirmed else _STATUS[outcome["result"]]


def _told(airflow: Api, dag_id: str, run_id: str, task_ids: Sequence[str], key: str) -> Any:
    return next((told for task_id in task_ids if (told := airflow.xcom(dag_id, run_id, task_id, key))), None)


def _headline(outcome: Mapping[str, Any]) -> str:
    result, message = outcome["result"], outcome["message"]
    return message if message.startswith(f"{result}:") else f"{result}: {message}"
