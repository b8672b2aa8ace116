from airflow.sdk import Asset, dag, task

from shared.defaults import DEFAULT_ARGS
from shared.warehouse import connect


@dag(schedule=[Asset("crm_raw")], default_args=DEFAULT_ARGS, tags=["domain:crm"])
def load_crm():
    @task
    def load() -> None:
        connect()

    load()


load_crm()
