"""The environment variables of a sandbox: the deployment's own, less what belongs to an image and what is secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from airlock.validate import environment

# An image has its own, and a candidate's may be others.
_OF_AN_IMAGE = re.compile(
    r"_|PATH|MANPATH|CPATH|HOME|HOSTNAME|USER|LOGNAME|SHELL|SHLVL|PWD|OLDPWD|TERM|TMPDIR|VIRTUAL_ENV|LANG|LC_\w+|LD_\w+|PYTHON\w*|UV_\w+"
    r"|PIP_\w+|GUNICORN_\w+|DUMB_INIT_\w+|AIRFLOW_(VERSION|UID|USER_HOME_DIR)|(DOCKER|AIRLOCK|GIT)_\w+|\w*_proxy",
    re.IGNORECASE,
)
# Connections and variables are answered by the deployment when a DAG file asks for them, and only then.
_SECRET = re.compile(
    r"AIRFLOW_(CONN|VAR)_\w+|AIRFLOW__\w+_(CMD|SECRET)|\w*(PASSW|SECRET|TOKEN|CREDENTIAL|PRIVATE|(API|ACCESS|FERNET|SIGNING|ENCRYPTION)_?KEY|DSN|DATABASE_URL)\w*",
    re.IGNORECASE,
)
_LOGIN_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@]*:[^/\s@]+@", re.IGNORECASE)


def for_container(environ: Mapping[str, str], place: Path, package: Path) -> dict[str, str]:
    """Return the variables, and write the configuration file that they name into ``place``.

    ``package`` is the folder from which the sandbox imports Airlock.
    """
    given = environment.for_children(environ, place)
    kept = {name: value for name, value in given.items() if not _is_left_out(name, value)}
    own = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    return (
        kept
        | {
            name: given[name]
            for name in (
                "AIRFLOW_CONFIG",
                "AIRFLOW_HOME",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
                "PYTHONDONTWRITEBYTECODE",
            )
        }
        | {
            "PYTHONPATH": os.pathsep.join([str(package), *own]),
            # The image is read-only, and Airflow makes the folder of its logs when it is imported.
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": "/tmp/logs",  # noqa: S108 - it is the container's own
            "TMPDIR": "/tmp",  # noqa: S108 - it is the container's own
        }
    )


def _is_left_out(name: str, value: str) -> bool:
    return bool(_OF_AN_IMAGE.fullmatch(name) or _SECRET.fullmatch(name) or _LOGIN_IN_URL.search(value))
