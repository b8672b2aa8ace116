from airflow.sdk import DAG, task, dag
with DAG('bad_param', params={'a': object()}): pass
