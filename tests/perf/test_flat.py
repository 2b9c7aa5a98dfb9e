"""A leak is told from a heap that grows once, and from noise."""

import random

import pytest

from tests.perf.flat import Point, compared, slope


def _points(leak_kib: float, *, noise_mib: float = 0.1, step_at: int = -1) -> list[Point]:
    dice = random.Random(7)
    return [
        Point(
            25_000 * number,
            40
            + leak_kib * 25 * number / 1024
            + dice.gauss(0, noise_mib)
            + (1.5 if number == step_at else 0),
        )
        for number in range(1, 41)
    ]


def test_noise_is_flat() -> None:
    """Whichever way it goes; one window that stands out changes nothing."""
    for points in (_points(0), _points(0, step_at=30), _points(-0.01)):
        assert slope(points).is_flat


@pytest.mark.parametrize("leak_kib", [0.5, 1.0, 10.0])
def test_a_leak_is_found(leak_kib: float) -> None:
    """Half a byte of each request is enough; what is told is what leaks."""
    found = slope(_points(leak_kib))

    assert not found.is_flat
    assert found.low <= leak_kib <= found.high


def test_warming_is_not_compared() -> None:
    """Whatever it was."""
    assert compared(_points(0), 190_000)[0].requests == 200_000
    with pytest.raises(ValueError, match="3 points"):
        slope(_points(0)[:3])
