from airflow.sdk import DAG, task, dag
with DAG('inner_one'): pass
