from airflow.sdk import DAG, task, dag
import logging
logging.getLogger(__name__).error('careful')
with DAG('logs'): pass
