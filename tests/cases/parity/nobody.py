from airflow.sdk import DAG, task, dag
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG('nobody', default_args={'owner': 'nobody'}):
    EmptyOperator(task_id='a')
