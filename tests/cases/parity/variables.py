from airflow.sdk import DAG, task, dag
from airflow.sdk import Variable
with DAG('variables', tags=[Variable.get('region'), Variable.get('from_environment'), Variable.get('none', default='d')]): pass
