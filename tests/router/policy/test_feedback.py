"""How much feedback one caller may give: what it keeps is everybody's room."""

from pointsman.router.policy.feedback import BURST_BYTES, BYTES_A_SECOND, EACH_BYTES, Allowances


def _given(allowances: Allowances, now_s: float, size: int = 70_000, caller: str = "app") -> int:
    """Bytes of bodies until it is refused."""
    given = 0
    while not allowances.wait_s(caller, size, now_s):
        given += size
    return given


def test_a_burst_is_taken_and_then_a_stream() -> None:
    """Large bodies and small ones, which cost more than their bytes; others are not touched."""
    allowances = Allowances()
    assert BURST_BYTES * 0.9 < _given(allowances, 100.0) <= BURST_BYTES
    assert _given(allowances, 100.0) == 0
    many = 60 * BYTES_A_SECOND // EACH_BYTES
    assert many * 0.9 < _given(allowances, 100.0 + 60, size=1) < many * 1.1
    assert _given(allowances, 100.0, caller="other") > BURST_BYTES * 0.9


def test_who_waits_as_long_as_was_said_is_heard() -> None:
    """And not a moment before; whoever waits long has the whole burst again."""
    allowances = Allowances()
    _given(allowances, 0.0)
    wait_s = allowances.wait_s("app", 70_000, 0.0)
    assert allowances.wait_s("app", 70_000, wait_s * 0.99)
    assert not allowances.wait_s("app", 70_000, wait_s + 0.001)
    assert _given(allowances, 3600.0) > BURST_BYTES * 0.9


def test_who_gives_none_is_forgotten() -> None:
    """Names of callers come and go; what a caller has to wait for is kept."""
    allowances = Allowances()
    for number in range(50_000):
        assert not allowances.wait_s(f"app-{number}", 1, number / 10)
        if number == 40_000:
            _given(allowances, number / 10, caller="greedy")
        if number == 41_000:
            assert _given(allowances, number / 10, caller="greedy") < BURST_BYTES / 2
    assert len(allowances) < 5000
