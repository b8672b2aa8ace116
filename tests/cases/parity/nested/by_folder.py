from airflow.sdk import DAG, task, dag
from nested.inner_kept import DAG as Same
with Same('by_folder'): pass
