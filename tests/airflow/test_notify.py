"""Events reach a real notifier of Airflow, and one that fails harms nobody."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.notifier import BaseNotifier

from airlock import mirror as mirrors
from airlock.notify import delivery
from airlock.source import Source
from airlock.state import State

OUTCOME = {
    "result": "rejected",
    "revision": "a" * 40,
    "release": None,
    "reason": "ValidationFailed",
    "message": "1 error",
    "findings": ["etl.py:3: NameError [import-error]"],
    "changes": [],
}


class Failing(BaseNotifier):
    """A service that is down."""

    def notify(self, context: Any) -> None:
        raise OSError("connection refused")


def test_a_template_sees_the_event_and_a_notifier_that_fails_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = mirrors.of(State(root=tmp_path / "state"), Source(name="dags", repo_url="x"))
    told = tmp_path / "told"
    kwargs = {"text": "{{ airlock.kind }}, {{ airlock.reason }}\n{{ airlock.text }}", "path": str(told)}
    receivers = [
        {"notifier": f"{__name__}.Failing"},
        {"notifier": f"{__name__}.Missing"},
        {"notifier": "tests.airflow.notifiers.ToFile", "kwargs": kwargs, "on": ["rejected"]},
        {"notifier": "tests.airflow.notifiers.ToFile", "kwargs": kwargs, "on": ["published"]},
    ]
    environ = {"AIRLOCK_NOTIFIERS": json.dumps(receivers)}
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            delivery.tell(mirror, OUTCOME, {"dag": DAG("any", schedule=None)}, environ)
    assert told.read_text() == (
        "rejected, ValidationFailed\ndags: rejected aaaaaaaaaaaa: 1 error\netl.py:3: NameError [import-error]\n"
    )
    assert "Failing did not deliver rejected" in caplog.text
    assert "Missing did not deliver rejected" in caplog.text


def test_a_wrong_setting_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mirror = mirrors.of(State(root=tmp_path / "state"), Source(name="dags", repo_url="x"))
    assert delivery.tell(mirror, OUTCOME, {}, {"AIRLOCK_NOTIFIERS": "{"}) is None
    assert "nobody was notified: AIRLOCK_NOTIFIERS: not valid JSON" in caplog.text
