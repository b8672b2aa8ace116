from airflow.sdk import DAG, task, dag
from airflow.providers.standard.operators.bash import BashOperator
with DAG('template_file', template_searchpath=['/nowhere']):
    BashOperator(task_id='a', bash_command='missing.sh')
