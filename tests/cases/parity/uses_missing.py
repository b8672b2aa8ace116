from airflow.sdk import DAG, task, dag
from helpers.gone import VALUE
