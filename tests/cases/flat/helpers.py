"""Small things that the DAGs of this folder share. Airflow reads this file too, and finds no DAG in it."""

import os

REGION = os.environ.get("REGION", "eu")


def bucket(name: str) -> str:
    return f"s3://{REGION}-{name}"
