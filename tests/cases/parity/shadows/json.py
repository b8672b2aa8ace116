from airflow.sdk import DAG, task, dag
import json
with DAG('shadows'): pass
