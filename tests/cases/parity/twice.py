from airflow.sdk import DAG, task, dag
with DAG('twice', description='one') as one: pass
with DAG('twice', description='two') as two: pass
