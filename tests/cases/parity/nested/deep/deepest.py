from airflow.sdk import DAG, task, dag
with DAG('deepest', description=__name__): pass
