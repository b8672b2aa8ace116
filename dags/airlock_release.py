"""One release DAG per source: rollback, hold and resume as a form of Airflow.

The list of sources is Airflow's own list of DAG bundles (`[dag_processor] dag_bundle_config_list`).
"""

from __future__ import annotations

import os

from airlock import source
from airlock.release_dag import build

for _source in source.load(os.environ):
    globals()[f"airlock_release_{_source.name}"] = build(_source)
