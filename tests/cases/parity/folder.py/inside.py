from airflow.sdk import DAG, task, dag
with DAG('inside_a_folder_named_py'): pass
