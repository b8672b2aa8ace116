from airflow.sdk import DAG, task, dag
with DAG('bad_cron', schedule='99 * * * *'): pass
