"""``python -m airlock.embedded.prepare``: makes Airflow's database ready, with one import of Airflow.

Runs before the components start, so nothing else uses the database.
"""

from __future__ import annotations

POOL = "airlock"
_SLOTS = 4


def main() -> None:
    """Create or upgrade the database, make the pool of the system DAGs, and close the jobs of the last run."""
    from airflow.utils import db

    db.upgradedb()
    _make_pool()
    _close_jobs()


def _make_pool() -> None:
    from airflow.models.pool import Pool

    if Pool.get_pool(POOL) is None:
        Pool.create_or_update_pool(POOL, _SLOTS, "Airlock's own DAGs, one slot a task", include_deferred=False)


def _close_jobs() -> None:
    """Mark the jobs of components that were killed as failed.

    Airflow otherwise believes that they live until their heartbeat is 30 s old, and keeps their tasks waiting.
    """
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session
    from airflow.utils.state import JobState
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(Job).where(Job.state == JobState.RUNNING).values(state=JobState.FAILED))


if __name__ == "__main__":
    main()
