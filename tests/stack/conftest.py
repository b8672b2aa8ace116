"""The stack of the stories, as what it is: containers that can be killed, paused and cut off."""

from __future__ import annotations

import pytest
from tests.e2e.deployment import Deployment
from tests.e2e.stack import Stack


@pytest.fixture(scope="session")
def stack(deployment: Deployment) -> Stack:
    """The running stack that the stories share; what a test does to it, it has to undo."""
    assert isinstance(deployment, Stack)
    return deployment
