"""PURE: where values and times stand on a chart, and which lines help to read it."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_STEPS_MS: Final = tuple(
    n * HOUR_MS for n in (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440, 2880)
)


@dataclass(frozen=True, slots=True)
class Scale:
    """From [low, high] to [begin, end] of the paper."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Clamped to the paper."""
        part = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.begin + min(1.0, max(0.0, part)) * (self.end - self.begin)


def ticks(high: float, most: int = 4) -> list[float]:
    """Round values from 0 to the first that is not below `high`."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= rough * 0.999_999)
    return [step * n for n in range(math.ceil(high / step - 1e-9) + 1)]


def times(from_ms: int, to_ms: int, most: int) -> list[tuple[int, str]]:
    """(Unix ms, label) in UTC, at whole hours or days."""
    span = max(1, to_ms - from_ms)
    step = next((one for one in _STEPS_MS if span / one <= most), _STEPS_MS[-1])
    first = -(-from_ms // step) * step
    return [(at, _label(at, step)) for at in range(first, to_ms + 1, step)]


def _label(at_ms: int, step_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    if step_ms < DAY_MS and at_ms % DAY_MS:
        return f"{moment:%H:%M}"
    return f"{moment:%d %b}"
