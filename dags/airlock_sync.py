"""One sync DAG per source: follows the DAG repository, validates each new revision, publishes what passes.

The list of sources is Airflow's own list of DAG bundles (`[dag_processor] dag_bundle_config_list`).
"""

from __future__ import annotations

import os

from airlock import source
from airlock.sync_dag import build

for _source in source.load(os.environ):
    globals()[f"airlock_sync_{_source.name}"] = build(_source)
