"""``airlock rollback``: make an earlier release live again, and put the source on hold."""

from __future__ import annotations

import argparse

from airlock.cli import ending, options

HELP = "make an earlier release live again, and put the source on hold"
EXAMPLE = 'airlock rollback 12 --reason "numbers are off"'


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "number", nargs="?", type=int, metavar="N", help="number of the release (default: the one before what is live)"
    )
    parser.add_argument("--source", metavar="SOURCE", help="name of the source (default: the only one)")
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the release's record and in the hold")
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Roll back and wait until Airflow has it; exit 2 when it cannot be done."""
    return ending.of_release_dag(args, "rollback", number=args.number)
