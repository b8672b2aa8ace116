from datetime import datetime

from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG("old_export", schedule_interval="@daily", start_date=datetime(2021, 1, 1)) as dag:
    BashOperator(task_id="export", bash_command="make export")
