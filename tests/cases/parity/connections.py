from airflow.sdk import DAG, task, dag
from airflow.sdk import Connection
from airflow.sdk.bases.hook import BaseHook
with DAG('connections', tags=[Connection.get('lake').host, BaseHook.get_connection('lake').conn_type]): pass
