import pendulum
from airflow.sdk import dag, task

from helpers import bucket


@dag(schedule="@daily", start_date=pendulum.datetime(2026, 1, 1), catchup=False, tags=["orders"])
def orders_daily():
    @task(retries=2)
    def extract() -> list[int]:
        return [1, 2, 3]

    @task
    def load(rows: list[int]) -> None:
        print(bucket("orders"), rows)

    load(extract())


orders_daily()
