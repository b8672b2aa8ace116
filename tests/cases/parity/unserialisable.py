from airflow.sdk import DAG, task, dag
from airflow.timetables.base import Timetable
class Own(Timetable):
    def infer_manual_data_interval(self, *, run_after): ...
    def next_dagrun_info(self, *, last_automated_data_interval, restriction): ...
with DAG('unserialisable', schedule=Own()): pass
with DAG('beside_it'): pass
