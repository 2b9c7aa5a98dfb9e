"""The command that tells what TLS costs: its counts hold, its table is of ratios."""

import pytest

from tests.perf.tls import Plan, measure, rows


async def test_each_kind_of_connection_is_what_it_says() -> None:
    """Handshakes are counted in every round; one that was not meant ends the command."""
    table = await measure(Plan(rounds=1, kept=3, fresh=2))
    assert [row.connection for row in table] == ["kept", "new", "resumed"]
    assert all(row.least <= row.times_plain <= row.most for row in table)


def test_ratios_are_of_one_round() -> None:
    """Plain and TLS of a round saw the same machine."""
    (row,) = rows({"kept": [(1e-6, 2e-6), (2e-6, 8e-6), (1e-6, 3e-6)]})
    assert (row.plain_us, row.tls_us) == pytest.approx((1.0, 3.0))
    assert (row.times_plain, row.least, row.most) == pytest.approx((3.0, 2.0, 4.0))
