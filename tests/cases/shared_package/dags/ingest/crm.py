import pendulum
from airflow.sdk import Asset, dag, task

from shared.defaults import DEFAULT_ARGS


@dag(
    schedule="0 2 * * *",
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    default_args=DEFAULT_ARGS,
    tags=["domain:crm"],
)
def ingest_crm():
    @task(outlets=[Asset("crm_raw")])
    def fetch() -> int:
        return 1

    fetch()


ingest_crm()
