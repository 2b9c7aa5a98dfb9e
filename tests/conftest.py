"""Fixtures of the whole suite; a bench that cannot run says so loudly, and fails in CI."""

import gc
import logging
import signal
import socket
import sys
import time
import warnings
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from pointsman.process.starting import importing
from tests.bench.fixtures import bench
from tests.postgres.fixtures import postgres
from tests.selecting import is_extended, is_long, is_slow, marks_of, reruns, unwanted
from tests.until import leave_out
from tests.workers import Workers

__all__ = ["bench", "postgres"]

# How long an example takes says how busy the machine is: bounds in time have tests of their own.
settings.register_profile(
    "pointsman", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("pointsman")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What `-m` leaves out as a whole is not imported: that took a quarter of the time."""
    if not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    out = unwanted(config.getoption("markexpr"))
    return True if out and not out.isdisjoint(marks_of(collection_path)) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without collecting garbage: all that is made then is kept."""
    with importing():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is long by its folder, so that no file is forgotten; and what is repeated."""
    by_file: dict[Path, list[pytest.MarkDecorator]] = {}
    for item in items:
        if item.path not in by_file:
            by_file[item.path] = marks_by_place(item.path)
        for mark in by_file[item.path]:
            item.add_marker(mark)
        after = reruns(item.path, {mark.name for mark in item.iter_markers()})
        only = {"only_rerun": list(after)} if after else {}
        item.add_marker(pytest.mark.flaky(reruns=1, **only))


def marks_by_place(path: Path) -> list[pytest.MarkDecorator]:
    """Those that each test of a file has by where it is."""
    kinds = {"local": is_long, "extended": is_extended, "slow": is_slow}
    return [getattr(pytest.mark, name) for name, is_it in kinds.items() if is_it(path)]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Workers | None:
    """`--dist loadscope` is as tests.workers says."""
    return Workers(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_finish() -> None:
    """
    Keep what collecting made out of the garbage collector's sight.

    10,000 tests with all that they import took a second of each full collection, of which there
    are hundreds.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture, which may be a bench."""
    if item.get_closest_marker("extended"):
        leave_out(time.time())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """
    Collect what a bench test, or one that litters, left in cycles, while nobody else is blamed.

    Bench tests kill the API server under open connections. CPython 3.11 leaves the transport of a
    TLS handshake that was cut in this way to the garbage collector, whose ResourceWarning would
    fail whichever test runs then. A life of kopf that does not want to end is left as it hangs, and
    its tasks complain when they are collected. Other tests keep their strict checks.
    """
    yield
    if item.get_closest_marker("bench") or item.get_closest_marker("litters"):
        told, log = sys.unraisablehook, logging.getLogger("asyncio")
        sys.unraisablehook = lambda _: None
        log.disabled = True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
        finally:
            sys.unraisablehook, log.disabled = told, False


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """
    Ask which tests are repeated without Nagle's algorithm, which took 40 ms of each.

    Take SIGINT as whoever sits at a terminal does, and let what tests start inherit that.

    A shell without job control begins what it does in the background with SIGINT ignored, and a
    Python that inherits this never hears a Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    asks = getattr(getattr(config, "failures_db", None), "sock", None)
    if asks is not None:
        asks.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
