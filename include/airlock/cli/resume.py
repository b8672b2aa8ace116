"""``airlock resume``: end the hold."""

from __future__ import annotations

import argparse

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
    return ending.of_release_dag(args, "resume")
