"""One fleet for all end-to-end tests, and an operator that is killed at random meanwhile."""

import random
import threading
from collections.abc import Iterator

import pytest

from tests.bench import Bench, CommandFailed, Refused
from tests.e2e.fleet import Fleet, install


@pytest.fixture(scope="session")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """Both charts, three routers, the support desk applied and Ready."""
    running = install(bench, "desk")
    running.apply_example("02-support-desk")
    running.wait_ready("mb", "rp")
    yield running
    bench.kubectl("delete", "namespace", "desk", "--wait=true", "--timeout=90s")


@pytest.fixture
def chaos(fleet: Fleet) -> Iterator[list[str]]:
    """Kill the operator with SIGKILL at random moments; yields the names of killed pods."""
    killed: list[str] = []
    stop = threading.Event()
    dice = random.Random(11)

    def kill_now_and_then() -> None:
        while not stop.wait(dice.uniform(0.5, 4.0)):
            try:
                for pod in fleet.pods("operator"):
                    fleet.bench.kill(fleet.namespace, pod["metadata"]["name"])
                    killed.append(pod["metadata"]["name"])
            except (CommandFailed, Refused):
                continue  # the API server is away, or the operator is already down

    thread = threading.Thread(target=kill_now_and_then, name="chaos")
    thread.start()
    yield killed
    stop.set()
    thread.join(timeout=30)
