from airflow.sdk import DAG, task, dag
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
