"""``airlock resume``: end the hold."""

from __future__ import annotations

import argparse

from airlock import api, source as sources
from airlock.cli import ending, options

HELP = "end the hold of a source and publish the newest revision that passes"
EXAMPLE = "airlock resume"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="name of the source (default: the only one)")
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the record")
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Resume; exit 1 when the newest revision is rejected or has to wait."""
    state = options.state_of(args)
    source = sources.named(options.sources_of(state), args.source)
    conf = {"action": "resume", "reason": args.reason}
    return ending.tell(api.connect(state), api.release_dag_id(source), "act", conf, as_json=args.json)
