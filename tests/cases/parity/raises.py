from airflow.sdk import DAG, task, dag
with DAG('before_the_error'): pass
raise ValueError('after the DAG')
