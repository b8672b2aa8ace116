"""``airlock validate``: the gate on a working tree."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from airlock import work_tree
from airlock.cli import formats
from airlock.errors import UsageError
from airlock.text import one_line

HELP = "judge a working tree as the stack would: import every DAG file in isolation"
EXAMPLE = "airlock validate path/to/dag-repository"
_BAR_WIDTH = 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "path", nargs="?", type=Path, default=Path(), metavar="PATH", help="root of the working tree (default: here)"
    )
    parser.add_argument("--subdir", default="", metavar="DIR", help="folder of the tree that holds the DAG files")
    parser.add_argument(
        "--submodules",
        action="store_true",
        help="take in what is checked out of submodules, as a source with submodules does",
    )
    parser.add_argument(
        "--changed-since",
        metavar="REV",
        help="tell only what changes since this commit, branch or tag may have caused, uncommitted ones included",
    )
    parser.add_argument(
        "--values",
        type=Path,
        metavar="FILE",
        help='JSON with the "variables" and "connections" that DAG files ask for while they are imported',
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep what was seen here, so that the next run imports only files whose inputs changed (default: nowhere)",
    )
    parser.add_argument(
        "--format", choices=formats.NAMES, default="text", help="how the verdict is printed (default: text)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the verdict; exit 0 passed, 1 rejected."""
    from airlock.judgement import environment_digest
    from airlock.validate import limits, policy, values
    from airlock.validate.answers import Answers
    from airlock.validate.forkserver import ForkServer
    from airlock.validate.judge import Subject, judge
    from airlock.validate.narrow import narrow
    from airlock.verdict import Changes

    root = args.path.resolve()
    folder = (root / args.subdir).resolve()
    if not folder.is_dir():
        raise UsageError(f"{args.path / args.subdir} is not a directory", hint="give the root of the DAG repository")
    if not folder.is_relative_to(root):
        raise UsageError(f"{args.subdir} is not below {args.path}", hint="give a folder inside it, such as dags")
    changed = work_tree.changed_since(root, args.changed_since) if args.changed_since else None
    subject = Subject(
        revision="working tree",
        root=root,
        subdir=args.subdir,
        environment=environment_digest(),
        policy=policy.from_environment(os.environ),
    )
    answers = Answers(values.read(args.values) if args.values else None)
    with ForkServer(answers, limits=limits.load(os.environ)) as server:
        # A release holds no ignored file: a virtual environment beside the DAG files is not taken for DAG files.
        tree = server.scratch / "tree"
        if work_tree.copy(root, tree, submodules=args.submodules):
            (tree / args.subdir).mkdir(parents=True, exist_ok=True)
            subject = replace(subject, root=tree)
        verdict = judge(subject, server, progress=_progress(), cache=args.cache)
    verdict = replace(verdict, changes=Changes())  # there is no live release to compare with
    if changed:
        verdict = narrow(verdict, changed.files, changed.deleted)
    # A file's name need not be UTF-8.
    print(formats.render(args.format, verdict, _prefix(root)).encode("utf-8", "backslashreplace").decode())
    if verdict.unknown and args.format in ("text", "github"):
        hint = "set AIRFLOW_VAR_... or AIRFLOW_CONN_..., or give --values FILE"
        print(
            f"asked for, and not known here: {one_line(', '.join(verdict.unknown))}\n    hint: {hint}", file=sys.stderr
        )
    return 0 if verdict.result == "passed" else 1


def _prefix(root: Path) -> str:
    """Return the way from the top of the work tree to the folder that is judged."""
    way = os.path.relpath(root, work_tree.top(root).resolve())
    return "" if way == os.curdir else f"{way}/"


def _progress() -> Callable[[int, int], None] | None:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        filled = _BAR_WIDTH * done // total
        bar = f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {done}/{total} files"
        # Gone when it is done: what stays on the screen is the verdict.
        print(f"\r\x1b[K{bar}" if done < total else "\r\x1b[K", end="", file=sys.stderr, flush=True)

    return show
