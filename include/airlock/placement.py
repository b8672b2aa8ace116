"""Where the system DAGs run: in a pool of their own, and on the workers that see the state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POOL = "airlock"
QUEUE = "AIRLOCK_QUEUE"
POD_TEMPLATE = "AIRLOCK_POD_TEMPLATE"


def default_args(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what all tasks of the system DAGs have in common.

    ``AIRLOCK_QUEUE`` names the queue of those workers, ``AIRLOCK_POD_TEMPLATE`` a pod template file with the state's
    volume; empty means that all workers see the state.
    """
    args: dict[str, Any] = {"pool": POOL, "owner": "airlock"}
    if queue := environ.get(QUEUE):
        args["queue"] = queue
    if template := environ.get(POD_TEMPLATE):
        args["executor_config"] = {"pod_template_file": template}
    return args
