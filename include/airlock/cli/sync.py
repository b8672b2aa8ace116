"""``airlock sync``: trigger a sync as the UI does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from airlock import api, source as sources
from airlock.cli import options
from airlock.errors import OperatorError

HELP = "bring a source to its newest revision, or to another one, through the gate"
EXAMPLE = "airlock sync --wait"
_STATUS = {"published": 0, "unchanged": 0, "passed": 0, "rejected": 1}
_TIMEOUT_S = 3600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="name of the source (default: the only one)")
    parser.add_argument(
        "--ref", default="", metavar="REF", help="branch, tag or commit (default: the branch that is followed)"
    )
    parser.add_argument("--force", action="store_true", help="validate again, also if this revision was judged before")
    parser.add_argument("--dry-run", action="store_true", help="validate and publish nothing")
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the release's record")
    parser.add_argument(
        "--wait", action="store_true", help="wait for the end: exit 0 published or unchanged, 1 rejected, 2 error"
    )
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Trigger the DAG; with ``--wait`` tell how it ended."""
    state = options.state_of(args)
    source = sources.named(options.sources_of(state), args.source)
    airflow, dag_id = api.connect(state), api.sync_dag_id(source)
    run_id = airflow.trigger(
        dag_id, {"ref": args.ref, "force": args.force, "dry_run": args.dry_run, "reason": args.reason}
    )
    if not args.wait:
        _print(
            args,
            {"dag_id": dag_id, "run_id": run_id},
            f"sync of {source.name} started: {airflow.url}/dags/{dag_id}/runs/{run_id}",
        )
        return 0
    ended = airflow.wait(dag_id, run_id, timeout_s=_TIMEOUT_S)
    outcome = airflow.xcom(dag_id, run_id, "sync", "outcome")
    if not isinstance(outcome, dict):
        told = airflow.xcom(dag_id, run_id, "sync", "failure") or "it ended without a result"
        log = f"{airflow.url}/dags/{dag_id}/runs/{run_id}/tasks/sync"
        raise OperatorError(f"the sync failed: {told}\nlog: {log}")
    lines = [_headline(outcome), *outcome["findings"], *outcome["changes"]]
    if outcome["result"] == "published" and ended == "failed":
        lines.append("the DAG processor has not picked it up yet; see the log of the confirm task")
    _print(args, {"dag_id": dag_id, "run_id": run_id, **outcome, "confirmed": ended == "success"}, "\n".join(lines))
    return 2 if outcome["result"] == "published" and ended == "failed" else _STATUS[outcome["result"]]


def _headline(outcome: Mapping[str, Any]) -> str:
    result, message = outcome["result"], outcome["message"]
    return message if message.startswith(f"{result}:") else f"{result}: {message}"


def _print(args: argparse.Namespace, document: dict[str, object], text: str) -> None:
    print(json.dumps(document) if args.json else text)
