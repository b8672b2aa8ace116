"""``airlock validate``: the gate on a working tree."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from airlock.cli import report
from airlock.errors import UsageError

HELP = "judge a working tree as the stack would: import every DAG file in isolation"
EXAMPLE = "airlock validate path/to/dag-repository"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "path", nargs="?", type=Path, default=Path(), metavar="PATH", help="root of the working tree (default: here)"
    )
    parser.add_argument("--subdir", default="", metavar="DIR", help="folder of the tree that holds the DAG files")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="how the verdict is printed (default: text)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the verdict; exit 0 passed, 1 rejected."""
    from airlock.sync import environment_digest
    from airlock.validate.answers import Answers
    from airlock.validate.forkserver import ForkServer
    from airlock.validate.judge import Subject, judge
    from airlock.verdict import Changes

    if not (args.path / args.subdir).is_dir():
        raise UsageError(f"{args.path / args.subdir} is not a directory", hint="give the root of the DAG repository")
    subject = Subject(revision="working tree", root=args.path, subdir=args.subdir, environment=environment_digest())
    with ForkServer(Answers()) as server:
        verdict = judge(subject, server, progress=_progress())
    verdict = replace(verdict, changes=Changes())  # there is no live release to compare with
    print(report.document(verdict) if args.format == "json" else report.text(verdict))
    return 0 if verdict.result == "passed" else 1


def _progress() -> Callable[[int, int], None] | None:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        print(f"\r{done}/{total} files", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show
