from airflow.sdk import DAG, task, dag
with DAG('duplicate', description='two'): pass
