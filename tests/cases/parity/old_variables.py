from airflow.sdk import DAG, task, dag
from airflow.models import Variable
with DAG('old_variables', tags=[Variable.get('region'), Variable.get('none', default_var='d')]): pass
