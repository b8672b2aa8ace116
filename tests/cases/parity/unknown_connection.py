from airflow.sdk import DAG, task, dag
from airflow.sdk import Connection
Connection.get('none')
