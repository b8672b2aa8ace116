"""``python -m airlock.embedded.prepare``: makes Airflow's database ready, with one import of Airflow.

Runs before the components start, so nothing else uses the database.
"""

from __future__ import annotations

from airlock import database


def main() -> None:
    """Create or upgrade the database, make the pool of the system DAGs, and close the jobs of the last run."""
    database.prepare()
    _close_jobs()


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
