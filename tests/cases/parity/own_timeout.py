from airflow.sdk import DAG, task, dag
import time
time.sleep(60)
