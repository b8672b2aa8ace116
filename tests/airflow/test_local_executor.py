"""Work goes on when a worker of the LocalExecutor is killed, whatever it was doing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest
from airflow.executors import local_executor

from airlock.local_executor import LocalExecutor


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    executor = LocalExecutor(parallelism=3)
    executor.patience_s = 0.5
    executor.start()
    yield executor
    for worker in executor.workers.values():
        worker.kill()
        worker.join()


def kill_all(executor: local_executor.LocalExecutor) -> None:
    """Kill every worker while it waits for work: one of them has the lock then."""
    processes = [psutil.Process(pid) for pid in executor.workers]
    deadline = time.monotonic() + 20
    while not all("<idle>" in " ".join(process.cmdline()) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    for worker in executor.workers.values():
        worker.kill()
        worker.join()


def is_work_taken(executor: local_executor.LocalExecutor, *, within_s: float) -> bool:
    executor.activity_queue.put(None)  # the work of ending itself
    with executor._unread_messages:
        executor._unread_messages.value += 1
    deadline = time.monotonic() + within_s
    while not executor.activity_queue.empty() and time.monotonic() < deadline:
        executor.sync()
        time.sleep(0.1)
    return executor.activity_queue.empty()


def test_work_is_taken_after_a_worker_was_killed_that_waited_for_some(executor: LocalExecutor) -> None:
    kill_all(executor)
    assert is_work_taken(executor, within_s=20)
    assert is_work_taken(executor, within_s=20)


def test_airflows_own_still_needs_it() -> None:
    stock = local_executor.LocalExecutor(parallelism=2)
    stock.start()
    kill_all(stock)
    assert not is_work_taken(stock, within_s=3)
    for worker in stock.workers.values():
        worker.kill()
        worker.join()


def test_a_task_that_was_queued_for_too_long_is_forgotten_so_that_it_can_be_queued_anew(
    executor: LocalExecutor,
) -> None:
    executor.running.add("key")  # type: ignore[arg-type]
    executor.revoke_task(ti=SimpleNamespace(key="key"))
    assert executor.running == set()
