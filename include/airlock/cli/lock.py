"""``airlock lock``: the lockfile of the environment that runs this command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from airlock.cli import options
from airlock.errors import AirlockError
from airlock.lockfile import artifact, current, folder
from airlock.lockfile.artifact import Artifact

HELP = "write the lockfile of this environment, or compare the environment with one"
EXAMPLE = "airlock lock --out lock && airlock lock --out lock --check"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("lock"), help="folder of the four files (default: ./lock)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; name each difference between this environment and the lockfile in the folder (exit 1)",
    )
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write or compare. Exit 0: a complete lockfile, or no difference; 1: an incomplete one, or differences."""
    place = Path(os.path.abspath(args.out))
    return _check(place, args) if args.check else _write(place, args)


def _write(place: Path, args: argparse.Namespace) -> int:
    made = current.make(_before(place))
    folder.write(place, made)
    manifest, problem = made.manifest, made.manifest.problem
    if args.json:
        print(json.dumps({"folder": str(place), "files": list(made.files), **_summary(made)}))
    else:
        for name in made.files:
            print(place / name)
        print(f"Python {manifest.python}, Airflow {manifest.airflow or 'none'}, {len(manifest.distributions)} packages")
        for name, why in manifest.not_reproducible.items():
            print(f"{name}: {why}")
    if problem is None:
        return 0
    print(f"airlock: incomplete ({problem.reason}): {problem.message}\nhint: {problem.hint}", file=sys.stderr)
    return 1


def _check(place: Path, args: argparse.Namespace) -> int:
    expected = folder.read(place)
    differences = current.differences(expected)
    if args.json:
        print(json.dumps({"folder": str(place), "differences": list(differences), **_summary(expected)}))
    elif differences:
        print("\n".join(differences))
    else:
        print(f"this environment is the one of {place}: {len(expected.manifest.distributions)} packages")
    return 1 if differences else 0


def _before(place: Path) -> Artifact | None:
    try:
        return folder.read(place)
    except AirlockError:
        return None  # none, or a damaged one: it is made anew


def _summary(of: Artifact) -> dict[str, object]:
    problem = of.manifest.problem
    return {
        "complete": of.manifest.is_complete,
        "reason": problem.reason if problem else None,
        "python": of.manifest.python,
        "airflow": of.manifest.airflow,
        "packages": len(of.manifest.distributions),
        "lock_sha256": of.manifest.files.get(artifact.PYLOCK),
    }
