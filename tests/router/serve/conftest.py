"""Every test of this folder runs on asyncio's loop and on uvloop, and may leave nothing behind."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.router.serve.world import World, until, world


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that pytest-asyncio runs each test on."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make check` runs them on the loop that images have, `make test` on both."""
    here = Path(__file__).parent
    for item in items:
        parameters = item.name.partition("[")[2].rstrip("]").split("-")
        if item.path.is_relative_to(here) and "asyncio" in parameters:
            item.add_marker(pytest.mark.slow)


def _descriptors() -> list[str]:
    """Sockets, pipes and files; not what a loop opens for itself when it first needs it."""
    found = []
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - Path costs ten times as much
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115 - the same
        except OSError:  # closed meanwhile
            continue
    return [name for name in found if not name.startswith(("anon_inode:", "/dev/"))]


class _Errors(logging.Handler):
    """Errors that somebody logged instead of raising."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What was logged as an error; a test that expects one takes it out."""
    handler = _Errors()
    logging.getLogger().addHandler(handler)
    yield handler.texts
    logging.getLogger().removeHandler(handler)


@pytest.fixture(autouse=True)
async def _nothing_left(errors: list[str]) -> AsyncIterator[None]:
    """No task and no descriptor outlives a test, and no exception was thrown at the event loop."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    before = _descriptors()
    yield
    current = asyncio.current_task()
    await until(lambda: not [t for t in asyncio.all_tasks() if t is not current and not t.done()])
    with suppress(TimeoutError):
        await until(lambda: len(_descriptors()) <= len(before))
    left = _descriptors()
    assert len(left) <= len(before), sorted((Counter(left) - Counter(before)).elements())
    assert unhandled == []
    assert errors == []


@pytest.fixture
async def there(_nothing_left: None) -> AsyncIterator[World]:
    """A data plane with no table yet."""
    async with world() as found:
        yield found
