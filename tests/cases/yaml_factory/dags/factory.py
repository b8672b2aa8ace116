"""Makes one airflow DAG from each file of configs/."""

from pathlib import Path

import yaml
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

for path in sorted(Path(__file__).parent.glob("configs/*.yaml")):
    config = yaml.safe_load(path.read_text())
    with DAG(config["name"], schedule=config["schedule"], tags=config.get("tags", [])) as dag:
        previous = None
        for name, command in config["tasks"].items():
            task = BashOperator(task_id=name, bash_command=command, pool=config.get("pool"))
            if previous:
                previous >> task
            previous = task
    globals()[config["name"]] = dag
