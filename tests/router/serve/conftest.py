"""Every test of this folder runs on asyncio's loop and on uvloop, and may leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from tests.router.serve.world import World, until, world


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that pytest-asyncio runs each test on."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


def _sockets() -> int:
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith("socket:")
        except OSError:  # closed meanwhile
            continue
    return found


@pytest.fixture(autouse=True)
async def _nothing_left() -> AsyncIterator[None]:
    """No task and no socket outlives a test."""
    before = _sockets()
    yield
    current = asyncio.current_task()
    await until(lambda: not [t for t in asyncio.all_tasks() if t is not current and not t.done()])
    await until(lambda: _sockets() <= before)


@pytest.fixture
async def there(_nothing_left: None) -> AsyncIterator[World]:
    """A data plane with no table yet."""
    async with world() as found:
        yield found
