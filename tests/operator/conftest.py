"""Fixtures of the operator's tests."""

import logging
from collections.abc import Iterator

import pytest

from tests.operator.scaled import World


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> None:
    """As in a pod: a line that cannot be logged is a failed reconcile."""
    caplog.set_level(logging.INFO, "pointsman")


@pytest.fixture
def world() -> Iterator[World]:
    """One backend with mode QueueDepth, one to four replicas, eight requests each."""
    made = World()
    yield made
    made.scaler.forget("a")
