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

from airlock.validate import withheld

_TIMES = 2  # and once more: the interpreter specialises code that ran a few times
_DAG_FILE = """
from __future__ import annotations
import datetime
import pendulum
from airflow.sdk import DAG, Asset, Label, Param, TaskGroup, chain, dag, task
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

    PythonOperator(task_id="fourth", python_callable=print) << third(second(first()))
    second.override(task_id="fifth").expand(value=[{"a": 1}])

airlock_rehearsal_of_functions()

with DAG(
    "airlock_rehearsal_of_operators",
    schedule=datetime.timedelta(days=1),
    start_date=datetime.datetime(2026, 1, 1),
    params={"a": Param("b", type="string")},
) as one:
    with TaskGroup("group"):
        one = PythonOperator(task_id="one", python_callable=print, retry_delay=datetime.timedelta(minutes=1))
    chain(one, Label("then"), PythonOperator(task_id="python", python_callable=print))

with DAG("airlock_rehearsal_of_assets", schedule=[Asset("airlock://rehearsal")]):
    PythonOperator(task_id="a", python_callable=print, outlets=[Asset("airlock://other")])
"""
# What Airflow itself does not use: kept from files that do not import it.
_MORE = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.bash import BashOperator

with DAG("airlock_rehearsal_of_more_operators", schedule=None):
    bash = BashOperator(task_id="bash", bash_command="echo {{ ds }}", retry_delay=datetime.timedelta(minutes=1))
    bash >> EmptyOperator(task_id="a", outlets=[Asset("airlock://other")])
"""


def rehearse() -> None:
    """Import and serialise the file a few times, and take away what that changed in this process.

    What goes wrong here goes wrong in a child too, where it is told.
    """
    import structlog
    from airflow.dag_processing import processor

    path = list(sys.path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGSEGV, signal.SIGALRM)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "airlock_rehearsal.py")
        request = processor.DagFileParseRequest(file=str(file), bundle_path=Path(folder), bundle_name="rehearsal")

        def parse(text: str) -> None:
            with suppress(Exception):
                file.write_text(text, encoding="utf-8")
                processor._parse_file(request, structlog.get_logger())  # noqa: SLF001 - what the DAG processor calls
            for name in [name for name in sys.modules if "airlock_rehearsal" in name]:
                del sys.modules[name]

        parse(_DAG_FILE)
        with withheld.in_force().importing():
            for _ in range(_TIMES):
                parse(_DAG_FILE + _MORE)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.path[:] = path
