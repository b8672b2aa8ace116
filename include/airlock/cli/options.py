"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from airlock import project
from airlock.state import VARIABLE, State


def add_state(parser: argparse.ArgumentParser) -> None:
    """Add ``--state DIR``."""
    parser.add_argument(
        "--state",
        metavar="DIR",
        type=Path,
        help=f"state directory of the deployment (default: ${VARIABLE}, else .airlock/ beside the airlock command)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document for scripts")


def state_of(args: argparse.Namespace) -> State:
    """Return the state directory that the command was given."""
    chosen = args.state or os.environ.get(VARIABLE) or project.ROOT / ".airlock"
    return State(root=Path(os.path.abspath(chosen)))
