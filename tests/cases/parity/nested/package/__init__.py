from airflow.sdk import DAG, task, dag
with DAG('in_package_file'): pass
