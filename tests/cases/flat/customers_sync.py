import random
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG


def pick(**context):
    return random.choice(["a", "b"]), datetime.now()


with DAG(
    "customers_sync",
    schedule=timedelta(hours=6),
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "crm", "retries": 1},
) as dag:
    start = BashOperator(task_id="start", bash_command="echo {{ ds }}")
    start >> PythonOperator(task_id="pick", python_callable=pick)
