"""The command line: one module per command, imported only when it is asked for.

A command module has ``HELP`` (one line), ``EXAMPLE`` (one command that works), ``configure(parser)`` and
``run(args) -> int``. Exit status: 0 good, 1 an expected "no", 2 usage or environment, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from airlock import __version__
from airlock.errors import AirlockError

COMMANDS = (
    "up",
    "down",
    "status",
    "test",
    "sync",
    "validate",
    "history",
    "show",
    "rollback",
    "hold",
    "resume",
    "lock",
    "venv",
    "rehearse",
)


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status; errors go to standard error, with a hint."""
    chosen = argv[0] if argv and argv[0] in COMMANDS else None
    parser = argparse.ArgumentParser(
        prog="airlock",
        description="A self-managing Airflow: git push, validate, publish.",
        epilog="airlock COMMAND --help tells about one command.",
    )
    parser.add_argument("--version", action="version", version=f"airlock {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS if chosen is None else (chosen,):
        _add(commands, name, _module(name))
    args = parser.parse_args(argv)
    try:
        status: int = args.run(args)
    except AirlockError as error:
        print(f"airlock: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return status


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"airlock.cli.{name}")


def _add(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: ModuleType) -> None:
    parser = commands.add_parser(
        name,
        help=module.HELP,
        description=module.HELP,
        epilog=f"example:\n  {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    parser.set_defaults(run=module.run)
