from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

STAMP = datetime.now().isoformat()

with DAG("run_stamp", schedule="@hourly", start_date=datetime(2026, 1, 1), catchup=False):
    BashOperator(task_id="stamp", bash_command=f"touch /tmp/{STAMP}")
