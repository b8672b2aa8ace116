from airflow.sdk import DAG, task, dag
with DAG('inner_kept'): pass
