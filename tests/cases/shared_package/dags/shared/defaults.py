"""What every DAG of this repository begins with."""

from datetime import timedelta

DEFAULT_ARGS = {"owner": "team-data", "retries": 2, "retry_delay": timedelta(minutes=5)}
