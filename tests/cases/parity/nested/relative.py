from airflow.sdk import DAG, task, dag
from . import inner_kept
