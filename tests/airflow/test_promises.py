"""Stories that need Airflow fail when the promise that they guard is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import breaches
from tests.breaches import Breach


@pytest.mark.parametrize("breach", breaches.AIRFLOW, ids=lambda breach: breach.what)
def test_a_broken_promise_is_noticed(breach: Breach, tmp_path: Path) -> None:
    breaches.assert_it_is_noticed(breach, tmp_path / "broken")
