"""Reads and sums up the orders in ``data/orders.csv``."""

from __future__ import annotations

import csv
from pathlib import Path

ORDERS = Path(__file__).parents[1] / "data" / "orders.csv"


def read_orders() -> list[dict[str, str]]:
    """Return the orders, one mapping a row."""
    with ORDERS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def totals(orders: list[dict[str, str]]) -> dict[str, float]:
    """Return the sum of the amounts by region."""
    sums: dict[str, float] = {}
    for order in orders:
        sums[order["region"]] = round(sums.get(order["region"], 0) + float(order["amount"]), 2)
    return sums
