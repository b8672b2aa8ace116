from airflow.sdk import DAG, task, dag
with DAG('bad_schedule', schedule=object()): pass
