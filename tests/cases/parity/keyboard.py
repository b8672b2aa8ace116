from airflow.sdk import DAG, task, dag
raise KeyboardInterrupt
