from airflow.sdk import DAG, task, dag
from airflow.sdk import Variable
Variable.get('none')
