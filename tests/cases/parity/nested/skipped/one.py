from airflow.sdk import DAG, task, dag
with DAG('skipped_one'): pass
