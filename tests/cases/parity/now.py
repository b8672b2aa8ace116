from airflow.sdk import DAG, task, dag
from datetime import datetime
with DAG('now', description=str(datetime.now())): pass
