"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from airlock import project, source as sources
from airlock.errors import UsageError
from airlock.source import Source
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


def sources_of(state: State) -> list[Source]:
    """Return the sources of the deployment: the embedded one of this state directory, else that of the environment.

    Raises ``UsageError`` when there is neither.
    """
    home = state.root / "airflow"
    environ = {"AIRFLOW_HOME": str(home)} if (home / "airflow.cfg").exists() else os.environ
    found = sources.load(environ)
    if not found:
        raise UsageError(
            f"there is no deployment in {state.root}",
            hint="start one with airlock up, or name its state directory with --state DIR",
        )
    return found
