from airflow.sdk import DAG, task, dag
import yaml
with DAG('named_yaml', tags=[str(hasattr(yaml, 'safe_load'))]): pass
