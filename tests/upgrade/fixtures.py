"""The last release as a fixture; where it cannot be had its tests are skipped aloud."""

import pytest

from tests.upgrade import last, previous


@pytest.fixture(scope="session")
def released() -> previous.Release:
    """Its programs and charts."""
    try:
        return previous.build()
    except last.NoRelease as error:
        pytest.skip(f"not run: {error}")
