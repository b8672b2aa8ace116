from airflow.sdk import DAG, task, dag
@dag(schedule='@hourly', params={'n': 3}, default_args={'owner': 'me'}, dag_display_name='Décor')
def decorated():
    @task(retries=1, queue='q')
    def one(): return [1, 2]
    @task.branch
    def two(value): return 'x'
    two.expand(value=one())
decorated()
