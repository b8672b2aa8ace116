from airflow.sdk import DAG, task, dag
with DAG('bad_argument', schedule_interval='@daily'): pass
