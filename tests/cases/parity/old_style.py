from airflow import DAG
from airflow.operators.bash import BashOperator
with DAG('old_style'):
    BashOperator(task_id='a', bash_command='echo {{ ds }}')
