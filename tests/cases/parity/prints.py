from airflow.sdk import DAG, task, dag
import sys, warnings
print('x' * 100000); print('y' * 100000, file=sys.stderr); warnings.warn('careful')
with DAG('prints'): pass
