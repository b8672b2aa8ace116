from airflow.sdk import dag

this is not Python yet
