"""Imports a small DAG file of our own in the warm process, so that its children find warm what every import uses.

Airflow puts many imports and caches off until a DAG is made or serialised. Done once here, they are most of what a
child would spend.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_TIMES = 3  # the interpreter specialises code that ran a few times
_DAG_FILE = """
from __future__ import annotations
import datetime
import pendulum
from airflow.sdk import DAG, Asset, Label, Param, TaskGroup, chain, dag, task
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator

START = pendulum.datetime(2026, 1, 1, tz="UTC")

@dag(schedule="@daily", start_date=START, catchup=False, tags=["a"], default_args={"retries": 2}, doc_md="# a")
def airlock_rehearsal_of_functions():
    @task
    def first() -> dict[str, int]:
        return {"a": 1}

    @task(retries=1, pool="default_pool")
    def second(value: dict[str, int]) -> int:
        return value["a"]

    @task.branch
    def third(value: int) -> str:
        return "fourth"

    EmptyOperator(task_id="fourth") << third(second(first()))
    second.override(task_id="fifth").expand(value=[{"a": 1}])

airlock_rehearsal_of_functions()

with DAG(
    "airlock_rehearsal_of_operators",
    schedule=datetime.timedelta(days=1),
    start_date=datetime.datetime(2026, 1, 1),
    params={"a": Param("b", type="string")},
) as one:
    with TaskGroup("group"):
        bash = BashOperator(task_id="bash", bash_command="echo {{ ds }}", retry_delay=datetime.timedelta(minutes=1))
    chain(bash, Label("then"), PythonOperator(task_id="python", python_callable=print))

with DAG("airlock_rehearsal_of_assets", schedule=[Asset("airlock://rehearsal")]):
    EmptyOperator(task_id="a", outlets=[Asset("airlock://other")])
"""


def rehearse() -> None:
    """Import and serialise the file a few times, and take away what that changed in this process.

    What goes wrong here goes wrong in a child too, where it is told.
    """
    import structlog
    from airflow.dag_processing import processor

    path, modules = list(sys.path), set(sys.modules)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGSEGV, signal.SIGALRM)}
    with tempfile.TemporaryDirectory() as folder, suppress(Exception):
        file = Path(folder, "airlock_rehearsal.py")
        file.write_text(_DAG_FILE, encoding="utf-8")
        request = processor.DagFileParseRequest(file=str(file), bundle_path=Path(folder), bundle_name="rehearsal")
        for _ in range(_TIMES):
            processor._parse_file(request, structlog.get_logger())  # noqa: SLF001 - what the DAG processor calls
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.path[:] = path
    for name in [name for name in sys.modules if name not in modules and "airlock_rehearsal" in name]:
        del sys.modules[name]
