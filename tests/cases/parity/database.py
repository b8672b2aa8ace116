from airflow.sdk import DAG, task, dag
from airflow import settings
settings.Session().execute('select 1')
