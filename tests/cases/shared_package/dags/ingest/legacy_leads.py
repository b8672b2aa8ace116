from airflow.sdk import dag, task


@dag(schedule="@weekly")
def legacy_leads():
    @task
    def fetch() -> int:
        return 1

    fetch()


legacy_leads()
