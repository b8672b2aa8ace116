from airflow.sdk import DAG, task, dag
import a_package_that_nobody_has
