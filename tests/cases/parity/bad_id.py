from airflow.sdk import DAG, task, dag
with DAG('bad id!'): pass
