"""Makes an airflow DAG for each market; two of them have one name."""

from pathlib import Path

import yaml
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

MARKETS = yaml.safe_load((Path(__file__).parent / "sales" / "markets.yaml").read_text())


def make(name, currency):
    with DAG(f"sales_{name}", schedule="@hourly") as dag:
        BashOperator(task_id=f"convert_{currency}", bash_command=f"./convert {currency}")
    return dag


for number, market in enumerate(MARKETS):
    globals()[f"dag_{number}"] = make(market["name"], market["currency"])
