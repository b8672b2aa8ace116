from airflow.sdk import DAG, task, dag
import subprocess
with DAG('forks', tags=[subprocess.run(['echo', 'told'], capture_output=True, text=True).stdout.strip()]): pass
