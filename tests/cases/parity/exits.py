from airflow.sdk import DAG, task, dag
import sys
sys.exit(4)
