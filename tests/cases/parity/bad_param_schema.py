from airflow.sdk import DAG, task, dag
from airflow.sdk import Param
with DAG('bad_param_schema', schedule='@daily', params={'a': Param('x', type='integer')}): pass
