"""The processes that make up an Airflow, and the environment that they run in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from airlock import project
from airlock.embedded.layout import Layout
from airlock.embedded.settings import allowed_variables
from airlock.state import VARIABLE as STATE_VARIABLE

# Set in every process of a deployment, so that airlock.embedded.leftovers finds those that lost their parent.
MARKER = "AIRLOCK_EMBEDDED"
COMPONENT = "AIRLOCK_COMPONENT"


@dataclass(frozen=True, kw_only=True)
class Component:
    """A program that is kept running."""

    name: str
    argv: tuple[str, ...]


def airflow_components() -> tuple[Component, ...]:
    """Return Airflow's four components in the order in which they start.

    The scheduler and the triggerer get ``-s``: they would otherwise serve logs on every network interface, and on one
    machine the API server reads the logs from disk.
    """
    commands = (("api-server",), ("dag-processor",), ("scheduler", "-s"), ("triggerer", "-s"))
    return tuple(
        Component(name=command[0], argv=(sys.executable, "-P", "-m", "airflow", *command)) for command in commands
    )


def preparation() -> Component:
    """Return the program that makes Airflow's database ready; it ends."""
    return Component(name="prepare", argv=(sys.executable, "-P", "-m", "airlock.embedded.prepare"))


def environment(layout: Layout, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every component; ``environ`` is the user's."""
    local = ",".join(filter(None, (environ.get("NO_PROXY", environ.get("no_proxy", "")), "127.0.0.1,localhost")))
    return allowed_variables(environ) | {
        "AIRFLOW_HOME": str(layout.airflow),
        STATE_VARIABLE: str(layout.root),
        MARKER: str(layout.root),
        "PYTHONPATH": str(project.ROOT / "include"),
        "PYTHONUNBUFFERED": "1",
        # Tasks talk to the API server on this machine: a company's proxy must not be asked.
        "NO_PROXY": local,
        "no_proxy": local,
        # Airflow sets process titles; without this the title overwrites the environment that /proc shows.
        "SPT_NOENV": "1",
    }
