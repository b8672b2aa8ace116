from airflow.sdk import DAG, task, dag
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG('bad_executor'):
    EmptyOperator(task_id='a', executor='NoSuchExecutor')
