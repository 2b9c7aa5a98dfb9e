"""One fleet for all end-to-end tests, whose operator is killed at random moments meanwhile.

On the bench, or on the cluster that POINTSMAN_E2E_KUBECONFIG leads to (docs/testing.md).
"""

import itertools
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from tests.bench import Bench, Cluster, CommandFailed, Refused
from tests.e2e.anywhere import Anywhere, NoCluster, given
from tests.e2e.fleet import Fleet, install

READY_S = 60.0
SETTLED_S = 4.0


class Killer:
    """
    Sends SIGKILL to the operator now and then until it is stopped.

    Every other life lasts until the operator was ready: on a busy machine, where a start takes as
    long as the dice allow, it would else never come to act.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.killed: list[str] = []
        self._fleet = fleet
        self._stop = threading.Event()
        self._quiet = threading.Lock()
        self._dice = random.Random(11)
        self._thread = threading.Thread(target=self._run, name="killer")
        self._thread.start()

    def _run(self) -> None:
        for life in itertools.count():
            if self._stop.wait(self._dice.uniform(4.0, 15.0)):
                return
            if life % 2:
                self._let_act()
            with self._quiet:
                if self._stop.is_set():
                    return
                self.kill()

    def _let_act(self) -> None:
        """Wait until the operator is ready, READY_S at most, and a while longer."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end and not self._stop.wait(1.0):
            try:
                if self._fleet.are_ready("operator", 1):
                    break
            except (CommandFailed, Refused):
                pass
        self._stop.wait(SETTLED_S)

    def kill(self) -> None:
        """One kill, now; nothing happens while the API server or the operator is away."""
        try:
            for pod in self._fleet.pods("operator"):
                name = pod["metadata"]["name"]
                self._fleet.cluster.kill(self._fleet.namespace, name, sig=signal.SIGKILL)
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
def bench(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The bench of all tests; another cluster where the variable names its kubeconfig."""
    kubeconfig = given()
    if kubeconfig is None:
        yield request.getfixturevalue("bench")
        return
    try:
        cluster = Anywhere(kubeconfig).__enter__()
    except NoCluster as error:
        pytest.fail(str(error), pytrace=False)  # who names a cluster wants it used
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def own_bench(bench: Cluster) -> Bench:
    """For what no other cluster lets us do; skipped there."""
    if not isinstance(bench, Bench):
        pytest.skip("not run: needs the bench: takes the API server away or dials pods' addresses")
    return bench


@pytest.fixture(scope="session")
def fleet(bench: Cluster) -> Iterator[Fleet]:
    """Both charts, three routers, the support desk applied and Ready."""
    running = install(bench, "desk")
    running.apply_example("02-support-desk")
    running.wait_ready("mb", "rp")
    yield running
    bench.kubectl("delete", "namespace", "desk", "--wait=false")


@pytest.fixture(scope="session")
def calm(fleet: Fleet, bench: Cluster) -> Iterator[Fleet]:
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
