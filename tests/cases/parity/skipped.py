from airflow.sdk import DAG, task, dag
with DAG('skipped', tags=['skipped']): pass
