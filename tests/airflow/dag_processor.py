"""Runs Airflow's real DAG processor once over a folder and writes down what it made of each file.

Run as ``python -m tests.airflow.dag_processor FOLDER RESULT`` with an ``AIRFLOW_HOME`` of its own. Only the last step,
which stores a result, is looked at from outside: discovery, processes, limits and answers are the DAG processor's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(folder: str, result: str) -> None:
    """Process every file of the folder once."""
    from airflow.dag_processing.manager import DagFileProcessorManager
    from airflow.models import Connection, Variable
    from airflow.utils import db
    from airflow.utils.session import create_session

    from airlock.validate import describe

    db.initdb()
    with create_session() as session:
        Variable.set("region", "eu", session=session)
        session.add(Connection(conn_id="lake", conn_type="s3", host="lake.example.com", password="sesame-9183"))
    seen: dict[str, Any] = {}

    class Observed(DagFileProcessorManager):
        def handle_parsing_result(self, file: Any, proc: Any, **options: Any) -> None:
            parsed = proc.parsing_result
            seen[str(file.rel_path)] = None
            if parsed is not None:
                dags = [describe.dag(dag.data, folder) for dag in parsed.serialized_dags]
                seen[str(file.rel_path)] = {
                    "dags": sorted((dag["dag_id"], dag["digest"]) for dag in dags),
                    "errors": {str(name): str(text) for name, text in (parsed.import_errors or {}).items()},
                    "warnings": [str(one) for one in parsed.warnings or []],
                }
            super().handle_parsing_result(file, proc, **options)

    Observed(max_runs=1).run()
    Path(result).write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
