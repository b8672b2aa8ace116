"""
Publishes the exact Python environment of this deployment as a **lockfile**: what is installed where tasks run, not what
somebody asked for.

It runs by itself when the deployment starts and when the installed packages change. You can trigger it at any time:
when nothing changed, nothing is published, and the files keep their bytes.

| file | for |
|---|---|
| [pylock.toml](airlock/lock/pylock.toml) | `uv pip sync` or pip 26.1: each file and its hash, for every system |
| [requirements.txt](airlock/lock/requirements.txt) | any pip or uv, through any mirror: the same pins, with hashes |
| [constraints.txt](airlock/lock/constraints.txt) | adding packages of your own: the installed versions |
| [manifest.json](airlock/lock/manifest.json) | what was observed, and the digests that prove the rest |

**A virtual environment like this deployment, on your machine**

```
airlock venv .venv --from http://127.0.0.1:8080 --user admin --password-file FILE
```

or, from the downloaded files and with the Python version that they name:

```
uv venv --python X.Y.Z .venv
uv pip sync --python .venv --require-hashes requirements.txt
```

A run **fails** when the installed packages cannot be locked: they contradict each other, or the package index does not
have them. The task's log names them; constraints and manifest are published all the same. Without an index the run
succeeds with `complete: false`, and is repeated later.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import Asset, AssetAlias, AssetWatcher, dag, task

from airlock import placement
from airlock.environment_trigger import EnvironmentTrigger

ENVIRONMENT = Asset(
    "airlock_environment", watchers=[AssetWatcher(name="airlock_environment", trigger=EnvironmentTrigger())]
)
LOCKFILE = Asset("airlock_lockfile")
# An outlet announces its asset after every run; through an alias it does so only for what is added.
PUBLISHED = AssetAlias("airlock_lockfile_published")


@dag(
    dag_id="airlock_lockfile",
    schedule=[ENVIRONMENT],
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["airlock"],
    default_args=placement.default_args(os.environ),
    doc_md=__doc__,
)
def airlock_lockfile() -> None:
    """Look at the environment and publish its lockfile when it is another one."""

    @task(outlets=[PUBLISHED])
    def publish(*, outlet_events: Any) -> dict[str, object]:
        from airlock import state
        from airlock.lockfile import publication

        outcome = publication.publish(state.from_environment(os.environ))
        if outcome.is_new:
            outlet_events[PUBLISHED].add(LOCKFILE, extra={"commit": outcome.commit})
        publication.require_complete(outcome)
        return outcome.to_json()

    publish()


airlock_lockfile()
