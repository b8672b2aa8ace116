from airflow.sdk import dag, task

from dags.shared.defaults import DEFAULT_ARGS


@dag(schedule="@daily", default_args=DEFAULT_ARGS, tags=["domain:erp"])
def ingest_erp():
    @task
    def fetch() -> int:
        return 1

    fetch()


ingest_erp()
