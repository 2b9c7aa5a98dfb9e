"""Which worker of `make test` runs what."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from xdist.remote import Producer

from tests.workers import BENCHES, FLEETS, Workers, choose, needs_bench, unit_of

ONE = "tests/operator/test_zero_on_bench.py"
OTHER = "tests/charts/test_charts.py"
SHARED = "tests/sim/feedback/test_feedback.py"
PLAIN = "tests/operator/test_lease.py::test_a"


def test_a_bench_is_shared_by_a_file() -> None:
    """Fleets are one unit, for they share an installation, and so is what shares a fixture; other
    tests go one by one."""
    assert unit_of(f"{ONE}::test_a[b::c]") == ONE
    assert unit_of("tests/e2e/test_1_answers.py::test_a") == FLEETS
    assert unit_of(PLAIN) == PLAIN
    assert unit_of(f"{SHARED}::test_a") == SHARED
    assert [needs_bench(one) for one in (ONE, FLEETS, PLAIN)] == [True, True, False]


def test_the_last_worker_takes_what_needs_no_bench() -> None:
    """Whoever has a bench goes on with it; nobody idles while anything waits."""
    waiting = {True: [ONE, OTHER], False: [PLAIN]}
    assert choose(waiting, has_bench=False, benches=BENCHES - 1)
    assert not choose(waiting, has_bench=False, benches=BENCHES)
    assert choose(waiting, has_bench=True, benches=BENCHES)
    assert not choose({True: [], False: [PLAIN]}, has_bench=True, benches=BENCHES)
    assert choose({True: [ONE, OTHER], False: []}, has_bench=False, benches=BENCHES)


@dataclass(eq=False)
class Worker:
    """What the scheduler sees of one."""

    asked: list[int] = field(default_factory=list)
    shutting_down: bool = False
    gateway: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(id="gw"))

    def send_runtest_some(self, indices: list[int]) -> None:
        self.asked += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduler(tests: list[str], workers: list[Worker]) -> Workers:
    """One whose workers have collected these tests and have their first work."""
    options: dict[str, Any] = {"tx": ["popen"] * len(workers), "px": []}
    config: Any = SimpleNamespace(
        getvalue=options.get, option=SimpleNamespace(loadscopereorder=True)
    )
    made = Workers(config, Producer("none", enabled=False))
    for worker in workers:
        made.add_node(worker)
    for worker in workers:
        made.add_node_collection(worker, tests)
    made.schedule()
    return made


def finish(plan: Workers, worker: Worker, done: list[int]) -> None:
    """Play all that the worker was asked for, and what it is asked for then."""
    played = 0
    while played < len(worker.asked):
        done.append(worker.asked[played])
        plan.mark_test_complete(worker, worker.asked[played])
        played += 1


def test_each_test_is_run_once() -> None:
    """By whoever is free; with nothing left, every worker is let go."""
    tests = [f"{PLAIN}[{n}]" for n in range(50)] + [f"{ONE}::test_{n}" for n in range(5)]
    workers = [Worker(), Worker()]
    plan = scheduler(tests, workers)
    done: list[int] = []
    for worker in workers:
        finish(plan, worker, done)
    assert sorted(done) == list(range(55))
    assert plan.tests_finished
    assert all(worker.shutting_down for worker in workers)


def test_what_a_worker_leaves_behind_is_run_by_another() -> None:
    """Also what it was at; what it had done is not done again."""
    tests = [f"{PLAIN}[{n}]" for n in range(40)] + [f"{ONE}::test_{n}" for n in range(5)]
    crashing, other = Worker(), Worker()
    plan = scheduler(tests, [crashing, other])
    for index in crashing.asked[:3]:
        plan.mark_test_complete(crashing, index)
    done = crashing.asked[:3]
    running = crashing.asked[3]
    assert plan.remove_node(crashing) == tests[running]
    finish(plan, other, done)
    assert sorted(done) == list(range(45))
