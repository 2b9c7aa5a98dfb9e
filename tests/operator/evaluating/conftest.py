"""A world with one suite of four prompts, `desk`."""

from collections.abc import AsyncIterator

import pytest

from tests.operator.evaluating.world import World, suite


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Nothing is in it yet but the suite."""
    found = World()
    found.suites["desk"] = suite("p1", "p2", "p3", "p4")
    async with found:
        yield found
