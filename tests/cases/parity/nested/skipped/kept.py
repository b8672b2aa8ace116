from airflow.sdk import DAG, task, dag
with DAG('kept_after_all'): pass
