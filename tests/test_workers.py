"""Which worker of `make test` runs what."""

from tests.workers import BENCHES, FLEETS, choose, needs_bench, unit_of

ONE = "tests/operator/test_zero_on_bench.py"
OTHER = "tests/charts/test_charts.py"
PLAIN = "tests/operator/test_lease.py::test_a"


def test_a_bench_is_shared_by_a_file() -> None:
    """Fleets are one unit, for they share an installation; other tests go one by one."""
    assert unit_of(f"{ONE}::test_a[b::c]") == ONE
    assert unit_of("tests/e2e/test_1_answers.py::test_a") == FLEETS
    assert unit_of(PLAIN) == PLAIN
    assert [needs_bench(one) for one in (ONE, FLEETS, PLAIN)] == [True, True, False]


def test_the_last_worker_takes_what_needs_no_bench() -> None:
    """Whoever has a bench goes on with it; nobody idles while anything waits."""
    waiting = (PLAIN, ONE, OTHER)
    assert choose(waiting, has_bench=False, benches=BENCHES - 1) == ONE
    assert choose(waiting, has_bench=False, benches=BENCHES) == PLAIN
    assert choose(waiting, has_bench=True, benches=BENCHES) == ONE
    assert choose((PLAIN,), has_bench=True, benches=BENCHES) == PLAIN
    assert choose((ONE, OTHER), has_bench=False, benches=BENCHES) == ONE
