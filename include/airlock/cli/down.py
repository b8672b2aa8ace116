"""``airlock down``: stop the embedded deployment."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from airlock.cli import options
from airlock.embedded import layout as layouts, stop

HELP = "stop the embedded deployment; its state stays"
EXAMPLE = "airlock down"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``airlock down``."""
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Stop what runs; 0 also when nothing did."""
    layout = layouts.of(options.state_of(args))
    stopped = stop.stop(layout)
    if args.json:
        print(json.dumps(asdict(stopped)))
    elif stopped.was_running:
        print(f"stopped the deployment in {layout.root}")
    elif stopped.leftovers:
        print(f"no deployment ran in {layout.root}; ended what one had left: {stopped.leftovers} processes")
    else:
        print(f"no deployment runs in {layout.root}")
    return 0
