from airflow.sdk import DAG, task, dag
with DAG('not_auto', auto_register=False): pass
