"""``airlock venv``: a virtual environment that equals a deployment's environment."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from airlock.cli import options
from airlock.embedded import deployment as deployments, layout
from airlock.errors import UsageError
from airlock.lockfile import folder, store
from airlock.lockfile.artifact import Artifact
from airlock.state import State
from airlock.venv import build, server
from airlock.venv.build import Built

HELP = "make a virtual environment that equals a deployment's environment"
EXAMPLE = "airlock venv ../dags/.venv --from http://127.0.0.1:8080"

_USER = "admin"
_SHOWN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", type=Path, default=Path(".venv"), help="where (default: .venv)"
    )
    parser.add_argument(
        "--from",
        dest="origin",
        metavar="URL",
        help="address of the deployment (https, or this machine), or a folder with the lockfile's files "
        "(default: the deployment of the state directory)",
    )
    parser.add_argument("--user", metavar="NAME", help=f"who asks (default: $AIRLOCK_USER, or {_USER})")
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        type=Path,
        help="file with the password (default: $AIRLOCK_TOKEN, $AIRLOCK_PASSWORD_FILE, $AIRLOCK_PASSWORD, or what "
        "the deployment of the state directory has)",
    )
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Make or repair the environment. Exit 0: it is proven equal; 1: it differs, and each difference is named."""
    built = build.build(_lockfile(args), Path(os.path.abspath(args.folder)), say=_say)
    if args.json:
        print(json.dumps(_document(built)))
    else:
        _tell(built)
    return 1 if built.differences else 0


def _lockfile(args: argparse.Namespace) -> Artifact:
    state = options.state_of(args)
    if args.origin is None:
        published = store.read(state.environment)
        if published is None:
            raise UsageError(
                f"{state.root} has no published lockfile",
                hint="start the deployment with airlock up, or give --from URL",
                reason="NotPublished",
            )
        return published.artifact
    if "://" not in args.origin:
        return folder.read(Path(os.path.abspath(args.origin)))
    _say(f"getting the lockfile from {args.origin}")
    return server.download(args.origin, _credentials(args, state))


def _credentials(args: argparse.Namespace, state: State) -> server.Credentials:
    user = args.user or os.environ.get("AIRLOCK_USER") or _USER
    if args.password_file is not None:
        return server.Credentials(user=user, password=_secret(args.password_file))
    if token := os.environ.get("AIRLOCK_TOKEN"):
        return server.Credentials(token=token)
    if file := os.environ.get("AIRLOCK_PASSWORD_FILE"):
        return server.Credentials(user=user, password=_secret(Path(file)))
    if password := os.environ.get("AIRLOCK_PASSWORD"):
        return server.Credentials(user=user, password=password)
    place = layout.of(state)
    deployed = deployments.read(place)
    if user == _USER and deployed and server.is_same(args.origin, deployed.url) and place.password.is_file():
        return server.Credentials(user=user, password=_secret(place.password))
    raise UsageError(
        f"{args.origin} gives its lockfile to logged-in users only",
        hint="give --user and --password-file, or set AIRLOCK_TOKEN, AIRLOCK_PASSWORD_FILE or AIRLOCK_PASSWORD",
        reason="NoCredentials",
    )


def _secret(path: Path) -> str:
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="give a file that has only the password") from error


def _document(built: Built) -> dict[str, object]:
    return {
        "folder": str(built.place.root),
        "interpreter": str(built.place.python),
        "python": built.python,
        "packages": built.packages,
        "differences": list(built.differences),
        "took_s": round(built.took_s, 1),
    }


def _tell(built: Built) -> None:
    if built.differences:
        print(f"{built.place.root} differs from the deployment in {len(built.differences)} points:")
        print("\n".join(f"- {difference}" for difference in built.differences[:_SHOWN]))
        print("hint: run the same command again; if it stays so, an index gives other files than the deployment's")
        return
    print(f"{built.place.root} equals the deployment: Python {built.python}, {built.packages} packages, same bytes.")
    print(f"Made in {built.took_s:.0f} s. Use it: . {built.place.python.parent}/activate")
    print("The first import of Airflow takes some seconds longer than later ones.")
    if os.name == "nt":
        print("Airflow itself does not run on Windows: edit here, run in WSL2.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
