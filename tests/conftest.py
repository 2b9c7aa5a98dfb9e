"""Fixtures of the whole suite; a bench that cannot run says so loudly, and fails in CI."""

import gc
import warnings
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.bench.fixtures import bench
from tests.postgres.fixtures import postgres
from tests.workers import Workers

__all__ = ["bench", "postgres"]

# How long an example takes says how busy the machine is: bounds in time have tests of their own.
settings.register_profile(
    "pointsman", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("pointsman")


LONG = ("faults", "fuzz", "sdk")
"""Folders whose tests talk to real SDKs and watchers or search for long: not in `make check`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is long by its folder, so that no file of it is forgotten."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] in LONG:
            item.add_marker(pytest.mark.local)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Workers | None:
    """`--dist loadscope` is by bench."""
    return Workers(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """
    Collect what a bench test left in cycles, while nobody else is blamed for it.

    Bench tests kill the API server under open connections. CPython 3.11 leaves the transport of a
    TLS handshake that was cut in this way to the garbage collector, whose ResourceWarning would
    fail whichever test runs then. Tests on loopback keep their strict checks.
    """
    yield
    if item.get_closest_marker("bench"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
