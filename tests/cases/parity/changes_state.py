from airflow.sdk import DAG, task, dag
import os, sys, json, builtins
os.environ['HOME'] = '/nowhere'; os.chdir('/'); sys.path.clear(); json.dumps = None
with DAG('changes_state'): pass
