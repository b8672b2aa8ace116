"""A deployment that breaks a promise is noticed too. It costs minutes: on request only, with ``AIRLOCK_BREACHES=1``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests import breaches
from tests.breaches import Breach

pytestmark = [pytest.mark.timeout(1000), pytest.mark.embedded]


@pytest.mark.skipif(os.environ.get("AIRLOCK_BREACHES") != "1", reason="set AIRLOCK_BREACHES=1: it takes minutes")
@pytest.mark.parametrize("breach", breaches.DEPLOYMENT, ids=lambda breach: breach.what)
def test_a_broken_promise_is_noticed(breach: Breach, tmp_path: Path) -> None:
    breaches.assert_it_is_noticed(breach, tmp_path / "broken")
