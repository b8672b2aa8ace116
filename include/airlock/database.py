"""``python -m airlock.database``: makes Airflow's database ready for a deployment. Nothing else uses it meanwhile."""

from __future__ import annotations

from airlock.placement import POOL

_SLOTS = 4


def prepare() -> None:
    """Create or upgrade the database, the auth manager's tables included, and make the pool of the system DAGs."""
    from airflow.utils import db

    db.upgradedb()
    _make_pool()


def _make_pool() -> None:
    from airflow.models.pool import Pool

    if Pool.get_pool(POOL) is None:
        Pool.create_or_update_pool(POOL, _SLOTS, "Airlock's own DAGs, one slot a task", include_deferred=False)


if __name__ == "__main__":
    prepare()
