"""``airlock hold``: stop automatic publishing."""

from __future__ import annotations

import argparse

from airlock.cli import ending, options

HELP = "stop automatic publishing of a source; pushes are still judged"
EXAMPLE = 'airlock hold --reason "quarter close"'


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="name of the source (default: the only one)")
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the record")
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Put the source on hold."""
    return ending.of_release_dag(args, "hold")
