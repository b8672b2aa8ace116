from airflow.sdk import DAG, task, dag
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG('bad_trigger_rule'):
    EmptyOperator(task_id='a', trigger_rule='sometimes')
