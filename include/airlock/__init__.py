"""Airlock: a gate between ``git push`` and Airflow, and the lockfile that makes a laptop equal the stack."""

__version__ = "0.1.0"
