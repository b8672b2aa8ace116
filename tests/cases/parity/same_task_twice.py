from airflow.sdk import DAG, task, dag
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG('same_task_twice'):
    EmptyOperator(task_id='a')
    EmptyOperator(task_id='a')
