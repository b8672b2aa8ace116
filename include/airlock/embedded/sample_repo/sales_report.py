"""Prints the totals of the regions whenever `sales_daily` has made new ones."""

from __future__ import annotations

from airflow.sdk import Asset, dag, task
from sales import orders


@dag(schedule=[Asset("sales_totals")], is_paused_upon_creation=False, tags=["sample"], doc_md=__doc__)
def sales_report():
    @task
    def report() -> str:
        totals = orders.totals(orders.read_orders())
        lines = [f"{region:<8}{amount:>10.2f}" for region, amount in sorted(totals.items())]
        text = "\n".join(lines)
        print(text)
        return text

    report()


sales_report()
