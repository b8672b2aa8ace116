from airflow.sdk import DAG, task, dag
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG('cycle'):
    a, b = EmptyOperator(task_id='a'), EmptyOperator(task_id='b')
    a >> b >> a
