"""``airlock rehearse``: try an image on what is live, as the UI does."""

from __future__ import annotations

import argparse
import json

from airlock import api
from airlock.cli import options
from airlock.errors import OperatorError

HELP = "try an image before an upgrade: which live DAGs would break in it, and which packages change"
EXAMPLE = "airlock rehearse apache/airflow:3.3.3 --wait"
_DAG_ID, _TASK_ID = "airlock_rehearsal", "rehearse"
_TIMEOUT_S = 3600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("image", metavar="IMAGE", help="the candidate, by a name that the Docker engine knows")
    parser.add_argument("--source", default="", metavar="SOURCE", help="whose live revision (default: the only one)")
    parser.add_argument(
        "--wait", action="store_true", help="wait for the report: exit 0 nothing breaks, 1 a DAG would break, 2 error"
    )
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Trigger the DAG; with ``--wait`` print the report."""
    airflow = api.connect(options.state_of(args))
    run_id = airflow.trigger(_DAG_ID, {"image": args.image, "source": args.source})
    place = {"dag_id": _DAG_ID, "run_id": run_id}
    url = f"{airflow.url}/dags/{_DAG_ID}/runs/{run_id}"
    if not args.wait:
        print(json.dumps(place) if args.json else f"rehearsal of {args.image} started: {url}")
        return 0
    airflow.wait(_DAG_ID, run_id, timeout_s=_TIMEOUT_S)
    outcome, report = (airflow.xcom(_DAG_ID, run_id, _TASK_ID, key) for key in ("outcome", "report"))
    if not isinstance(outcome, dict):
        told = airflow.xcom(_DAG_ID, run_id, _TASK_ID, "failure") or "it ended without a report"
        raise OperatorError(f"the rehearsal failed: {told}\nlog: {url}/tasks/{_TASK_ID}")
    print(json.dumps({**place, **outcome}) if args.json else report)
    return 0 if outcome["good"] else 1
