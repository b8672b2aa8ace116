from airflow.sdk import DAG, task, dag
def make():
    return DAG('in_a_list')
ALL = [make()]
