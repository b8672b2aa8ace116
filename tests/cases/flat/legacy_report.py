from datetime import datetime

from airflow import DAG
from airflow.operators.bash import BashOperator

dag = DAG("legacy_report", schedule="0 6 * * 1", start_date=datetime(2023, 1, 1), catchup=False)
BashOperator(task_id="report", bash_command="make report", dag=dag)
