from airflow.sdk import DAG, task, dag
with DAG('main_guard') as one: pass
if __name__ == '__main__':
    one.test()
