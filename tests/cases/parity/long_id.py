from airflow.sdk import DAG, task, dag
with DAG('x' * 251): pass
