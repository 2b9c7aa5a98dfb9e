"""One fleet for all end-to-end tests, whose operator is killed at random moments meanwhile."""

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from tests.bench import Bench, CommandFailed, Refused
from tests.e2e.fleet import Fleet, install


class Killer:
    """Sends SIGKILL to the operator now and then until it is stopped."""

    def __init__(self, fleet: Fleet) -> None:
        self.killed: list[str] = []
        self._fleet = fleet
        self._stop = threading.Event()
        self._quiet = threading.Lock()
        self._dice = random.Random(11)
        self._thread = threading.Thread(target=self._run, name="killer")
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._dice.uniform(4.0, 15.0)):
            with self._quiet:
                self.kill()

    def kill(self) -> None:
        """One kill, now; nothing happens while the API server or the operator is away."""
        try:
            for pod in self._fleet.pods("operator"):
                name = pod["metadata"]["name"]
                self._fleet.bench.kill(self._fleet.namespace, name, sig=signal.SIGKILL)
                self.killed.append(name)
        except (CommandFailed, Refused):
            pass

    def paused(self) -> AbstractContextManager[object]:
        """No kill by itself inside this block."""
        return self._quiet

    def stop(self) -> None:
        """No kill after this returns."""
        self._stop.set()
        self._thread.join(timeout=150)


@pytest.fixture(scope="session")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """Both charts, three routers, the support desk applied and Ready."""
    running = install(bench, "desk")
    running.apply_example("02-support-desk")
    running.wait_ready("mb", "rp")
    yield running
    bench.kubectl("delete", "namespace", "desk", "--wait=false")


@pytest.fixture(scope="session")
def calm(fleet: Fleet, bench: Bench) -> Iterator[Fleet]:
    """The same release and support desk in another namespace, whose operator is not killed."""
    assert fleet.namespace != "calm"
    running = install(bench, "calm")
    running.apply_example("02-support-desk")
    running.wait_ready("mb", "rp")
    yield running
    bench.kubectl("delete", "namespace", "calm", "--wait=false")


@pytest.fixture(scope="session", autouse=True)
def killer(fleet: Fleet) -> Iterator[Killer]:
    """The operator is killed at random during every test of this folder."""
    killing = Killer(fleet)
    yield killing
    killing.stop()
