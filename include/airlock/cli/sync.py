"""``airlock sync``: trigger a sync as the UI does."""

from __future__ import annotations

import argparse
import json

from airlock import api, source as sources
from airlock.cli import ending, options

HELP = "bring a source to its newest revision, or to another one, through the gate"
EXAMPLE = "airlock sync --wait"


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
        "--wait",
        action="store_true",
        help="wait for the end: exit 0 published or unchanged, 1 rejected or waiting, 2 error",
    )
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Trigger the DAG; with ``--wait`` tell how it ended."""
    state = options.state_of(args)
    source = sources.named(options.sources_of(state), args.source)
    conf = {"ref": args.ref, "force": args.force, "dry_run": args.dry_run, "reason": args.reason}
    airflow, dag_id = api.connect(state), api.sync_dag_id(source)
    if args.wait:
        return ending.tell(airflow, dag_id, ("sync", "conclude"), conf, as_json=args.json)
    run_id = airflow.trigger(dag_id, conf)
    url = f"{airflow.url}/dags/{dag_id}/runs/{run_id}"
    started = {"dag_id": dag_id, "run_id": run_id}
    print(json.dumps(started) if args.json else f"sync of {source.name} started: {url}")
    return 0
