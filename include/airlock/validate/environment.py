"""The environment in which foreign code is imported: the deployment's own, less its secrets and its database."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path

# What the real DAG processor's children would not need, and DAG code must not learn.
_SECRET_OPTIONS = {
    "core": ("fernet_key",),
    "database": ("sql_alchemy_conn", "sql_alchemy_conn_async"),
    "api": ("secret_key",),
    "api_auth": ("jwt_secret", "jwt_private_key_path"),
    "celery": ("broker_url", "result_backend"),
    "smtp": ("smtp_password",),
    "sentry": ("sentry_dsn",),
}
_SECRET_VARIABLES = re.compile(
    "|".join(
        f"AIRFLOW__{section}__{option}(_CMD|_SECRET)?".upper()
        for section, options in _SECRET_OPTIONS.items()
        for option in options
    )
    + "|AIRLOCK_(TOKEN|PASSWORD)|_AIRFLOW_PROCESS_CONTEXT|AIRFLOW_GIT_(USER|TOKEN)"
    + "|AIRFLOW_CTX_.*"  # those of the task that validates
)
_PACKAGE = Path(__file__).parents[2]
_DEPTH = "40"  # frames of a traceback that Airflow keeps; its default of 2 often hides the line in the DAG file


def for_children(environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Return the environment for the warm process, and write the configuration file that it names into ``scratch``."""
    kept = {name: value for name, value in environ.items() if not _SECRET_VARIABLES.fullmatch(name)}
    home = environ.get("AIRFLOW_HOME")
    config = scratch / "airflow.cfg"
    config_file = _config_file(environ)
    config.write_text(_without_secrets(config_file), encoding="utf-8")
    if config_file is None:  # a laptop: as in a deployment, plugins of Airflow's own examples do not count
        kept.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    return kept | {
        "AIRFLOW_HOME": home or str(scratch),
        "AIRFLOW_CONFIG": str(config),
        # A task's environment has an URL that cannot be parsed; a database is never opened here.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
        "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": _DEPTH,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Airflow stores some sets as lists: with another order every time, each validation would tell of changes.
        "PYTHONHASHSEED": environ.get("PYTHONHASHSEED", "0"),
        # The children start in another directory: what is relative here would mean nothing there.
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, [str(_PACKAGE), *_search_path(environ)])),
    }


def secret_files(environ: Mapping[str, str]) -> list[str]:
    """Return the files of the deployment that hold secrets which DAG code must not learn."""
    config = _config_file(environ)
    passwords = environ.get("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE")
    return [os.path.abspath(path) for path in (config, passwords) if path]


def _search_path(environ: Mapping[str, str]) -> list[str]:
    return [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _config_file(environ: Mapping[str, str]) -> Path | None:
    if "AIRFLOW_CONFIG" in environ:
        return Path(environ["AIRFLOW_CONFIG"])
    return Path(environ["AIRFLOW_HOME"]) / "airflow.cfg" if "AIRFLOW_HOME" in environ else None


def _without_secrets(path: Path | None) -> str:
    parser = configparser.RawConfigParser(interpolation=None, strict=False)
    if path is not None:
        parser.read(path, encoding="utf-8")
    lines = []
    for section in parser.sections():
        lines.append(f"[{section}]")
        secret = _SECRET_OPTIONS.get(section, ())
        for option, value in parser.items(section):
            if not any(option in (name, f"{name}_cmd", f"{name}_secret") for name in secret):
                lines.append(f"{option} = {value}".replace("\n", "\n\t"))
    return os.linesep.join([*lines, ""])
