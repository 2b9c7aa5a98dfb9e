"""Each case on asyncio's loop and on uvloop; no task, no descriptor and no error outlives it."""

from tests.router.serve.conftest import (
    _nothing_left,
    errors,
    pytest_asyncio_loop_factories,
)

__all__ = ["_nothing_left", "errors", "pytest_asyncio_loop_factories"]
