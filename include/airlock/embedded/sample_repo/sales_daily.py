"""Sums up the orders of the shop, by region, every day."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, dag, task
from sales import orders

TOTALS = Asset("sales_totals")


@dag(
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["sample"],
    doc_md=__doc__,
)
def sales_daily():
    @task
    def extract() -> list[dict[str, str]]:
        return orders.read_orders()

    @task
    def check(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        bad = [row["order_id"] for row in rows if float(row["amount"]) <= 0]
        if bad:
            raise ValueError(f"orders without a positive amount: {', '.join(bad)}")
        return rows

    @task(outlets=[TOTALS])
    def load(rows: list[dict[str, str]]) -> dict[str, float]:
        return orders.totals(rows)

    load(check(extract()))


sales_daily()
