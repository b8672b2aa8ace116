"""``airlock history``: the releases of a source."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from airlock import mirror as mirrors, release as releases, source as sources
from airlock.cli import options

HELP = "list the releases of a source, the newest first"
EXAMPLE = "airlock history --limit 5"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="name of the source (default: the only one)")
    parser.add_argument("--limit", type=_positive, default=20, metavar="N", help="at most N releases (default: 20)")
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the releases."""
    state = options.state_of(args)
    mirror = mirrors.of(state, sources.named(options.sources_of(state), args.source))
    found = releases.history(mirror, limit=args.limit)
    if args.json:
        print(json.dumps([asdict(release) for release in found]))
        return 0
    live = releases.live_revision(mirror)
    for index, release in enumerate(found):
        mark = "live" if index == 0 and release.revision == live else "    "
        print(
            f"{release.number:>5} {mark} {release.revision[:12]} {release.published_at[:19]}Z "
            f"{releases.told(release)}; {release.summary}"
        )
        for line in release.changes:
            print(f"           {line}")
    if not found:
        print("nothing was published yet")
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
