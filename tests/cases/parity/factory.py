from airflow.sdk import DAG, task, dag
for name in ('a', 'b', 'c'):
    with DAG(f'factory_{name}') as made:
        @task
        def work(): ...
        work()
    globals()[name] = made
