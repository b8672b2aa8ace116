from airflow.sdk import DAG, task, dag
with DAG('ignored_one'): pass
