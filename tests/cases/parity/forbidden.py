from airflow.sdk import DAG, task, dag
with DAG('forbidden', tags=['forbidden']): pass
with DAG('beside_forbidden'): pass
