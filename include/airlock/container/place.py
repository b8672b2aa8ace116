"""Where things are in a container of the stack. The image makes the folders, the compose file mounts volumes there."""

from __future__ import annotations

from pathlib import Path

from airlock import project

SECRETS = project.ROOT / "secrets"
"""Every secret, for Airflow's services only."""

BACKEND = project.ROOT / "backend"
"""What the database and the message broker need of the secrets, and nothing else."""

SAMPLE = project.ROOT / "sample" / "dags.git"
"""The sample DAG repository."""


def secret(name: str) -> Path:
    """Return the file of a secret. Airflow reads it with a setting that ends in ``_CMD``: no final newline."""
    return SECRETS / name
