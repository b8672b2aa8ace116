from airflow.sdk import DAG, task, dag
from airflow.operators.subdag import SubDagOperator
