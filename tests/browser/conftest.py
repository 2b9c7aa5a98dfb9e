"""A browser for the session; where there is none its tests say so, and fail in CI."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.fixtures import required
from tests.browser.chromium import Chromium
from tests.browser.desk import Desk, desk
from tests.browser.install import NoBrowser, axe_source, found


@pytest.fixture(scope="session")
def installed() -> None:
    """Skips, aloud."""
    try:
        found()
        axe_source()
    except NoBrowser as error:
        reason = f"not run: no browser: {error}"
        if required():
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium(installed: None) -> Iterator[Chromium]:
    """One process for all tests."""
    with Chromium() as one:
        yield one


@pytest.fixture
def browser(chromium: Chromium) -> Iterator[Chromium]:
    """As good as new; what it complains of, and no test expected, fails the test."""
    chromium.forget()
    yield chromium
    assert chromium.complaints() == []


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Desk]:
    """A ledger of its own."""
    with desk(tmp_path) as found_:
        yield found_
