from airflow.sdk import DAG, task, dag
from helpers.shared import VALUE
with DAG('uses_helper', tags=[VALUE]): pass
