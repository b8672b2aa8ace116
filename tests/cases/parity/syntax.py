from airflow.sdk import DAG, task, dag
with DAG('syntax'
    pass
