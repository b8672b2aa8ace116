"""Tells whether a region has sold enough. Trigger it by hand: the form asks for the region and the goal."""

from __future__ import annotations

from airflow.sdk import Param, dag, task
from sales import orders


@dag(
    schedule=None,
    is_paused_upon_creation=False,
    params={
        "region": Param("north", enum=["north", "south", "east", "west"], title="Region"),
        "goal": Param(100, type="number", minimum=0, title="Goal"),
    },
    tags=["sample"],
    doc_md=__doc__,
)
def sales_check():
    @task
    def check(params: dict | None = None) -> bool:
        params = params or {}
        sold = orders.totals(orders.read_orders()).get(params["region"], 0)
        print(f"{params['region']} sold {sold:.2f}; the goal is {params['goal']}")
        return sold >= params["goal"]

    check()


sales_check()
