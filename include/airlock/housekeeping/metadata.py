"""Removes old rows of Airflow's database with Airflow's own ``airflow db clean``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from airlock import process
from airlock.errors import CommandFailed, OperatorError

log = logging.getLogger(__name__)

_TIMEOUT_S = 6 * 3600
# Airflow puts an address there that cannot be used, so that tasks of DAG authors stay away from the database. Without
# it, the setting of the deployment counts again (its file, or a variable ending in _CMD or _SECRET); this task is the
# deployment's own.
_FORBIDDEN = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"}


def clean(environ: Mapping[str, str], *, days: int, dry_run: bool, now: datetime | None = None) -> str:
    """Remove rows older than ``days`` days, the archive tables' copies too, and return what Airflow said.

    Zero days remove nothing. The last scheduled run of each DAG stays, whatever its age. Raises ``OperatorError``
    (``DatabaseOutOfReach``) where tasks run without access to the database.
    """
    if days == 0:
        return "off: set AIRLOCK_KEEP_METADATA_DAYS, or metadata_days of the trigger form"
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    argv = [sys.executable, "-P", "-m", "airflow", "db", "clean", "--clean-before-timestamp", before.isoformat()]
    argv += ["--dry-run"] if dry_run else ["--yes", "--skip-archive", "--error-on-cleanup-failure"]
    variables = {name: value for name, value in environ.items() if name not in _FORBIDDEN}
    try:
        return process.run(argv, timeout_s=_TIMEOUT_S, env=variables).text
    except CommandFailed as error:
        raise OperatorError(
            f"airflow db clean failed: {error.message}",
            hint="it needs the database's address, which workers on other machines may not have: run it by hand there",
            reason="DatabaseOutOfReach",
        ) from error
