from airflow.sdk import DAG, task, dag
import helpers.exits
