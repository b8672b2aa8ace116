"""``airlock test``: the test suite, tier by tier, cheapest first."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from airlock import project
from airlock.errors import OperatorError

HELP = "run the test suite: unit, then airflow, then e2e; on request also the compose stack"
EXAMPLE = "airlock test --tier unit -- -k launcher"

# Each tier is a call of pytest. Those after e2e need a Docker engine with Compose, and run when they are asked for.
TIERS: dict[str, tuple[str, ...]] = {
    "unit": ("tests/unit",),
    "airflow": ("tests/airflow",),
    "e2e": ("tests/e2e",),
    "stack": ("tests/e2e", "tests/stack", "--on", "compose"),
    "celery": ("tests/e2e", "tests/stack", "--on", "celery"),
}
_DEFAULT = ("unit", "airflow", "e2e")
_NO_TESTS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``airlock test``."""
    parser.add_argument(
        "--tier",
        action="append",
        choices=TIERS,
        help="run only this tier (may be repeated): unit needs no Airflow, airflow imports it, e2e starts deployments; "
        "stack and celery start the compose stack and run only when named",
    )
    parser.add_argument("pytest", nargs="*", metavar="-- ARG", help="arguments for pytest, after --")


def run(args: argparse.Namespace) -> int:
    """Run the chosen tiers, all of them even when one fails; 0 when every test of every tier passed."""
    chosen = [tier for tier in TIERS if tier in (args.tier or _DEFAULT)]
    outcomes = {tier: _run_tier(tier, args.pytest) for tier in chosen}
    for tier, (status, duration_s) in outcomes.items():
        print(f"{tier}: {_described(status)} after {duration_s:.0f} s")
    return int(any(status for status, _ in outcomes.values()))


def _run_tier(tier: str, pytest_args: list[str]) -> tuple[int, float]:
    command = [sys.executable, "-P", "-m", "pytest", *TIERS[tier], *pytest_args]
    print(f"+ {' '.join(command[2:])}", flush=True)
    started = time.monotonic()
    try:
        # No time limit and no captured output here: each test has its own limit, and its reader is at the terminal.
        status = subprocess.run(command, cwd=project.ROOT, check=False).returncode
    except OSError as error:
        raise OperatorError(f"pytest cannot be started: {error}", hint="run the tests as ./airlock test") from error
    return status, time.monotonic() - started


def _described(status: int) -> str:
    if status == _NO_TESTS:
        return "no tests ran, which counts as a failure,"
    return "passed" if status == 0 else f"failed (pytest status {status})"
