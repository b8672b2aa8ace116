"""One approval DAG per source: asks a person about a revision to which a guard objects.

The list of sources is Airflow's own list of DAG bundles (`[dag_processor] dag_bundle_config_list`).
"""

from __future__ import annotations

import os

from airlock import source
from airlock.approval_dag import build

for _source in source.load(os.environ):
    globals()[f"airlock_approval_{_source.name}"] = build(_source)
