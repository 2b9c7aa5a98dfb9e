"""Arrivals: recorded ones, and generated ones of known shapes, each from a seed.

A trace is (arrival, context tokens, generated tokens) in order of arrival, beginning at 0 s.
"""

import csv
import datetime
import gzip
import math
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Trace:
    """Counted from `begin_s` to `horizon_s`; before it every algorithm fills its windows."""

    name: str
    arrivals_s: list[float]
    context_tokens: list[int]
    generated_tokens: list[int]
    horizon_s: float
    recorded: bool = False
    begin_s: float = 0.0


def recorded_file() -> Path:
    """Return where the recorded conversation trace is expected."""
    shared = os.environ.get("POINTSMAN_SHARED")
    folder = Path(shared) if shared else ROOT.parent / "shared"
    return folder / "data" / "azure_llm_2023_conv.csv.gz"


def load(path: Path, name: str = "") -> Trace:
    """Read a CSV with TIMESTAMP, ContextTokens, GeneratedTokens (Azure's public format)."""
    rows: list[tuple[float, int, int]] = []
    with _open(path) as file:
        for row in csv.DictReader(file):
            stamp = row["TIMESTAMP"].replace("+00:00", "")[:26]
            moment = datetime.datetime.fromisoformat(stamp).replace(tzinfo=datetime.UTC)
            tokens = int(row["ContextTokens"]), int(row["GeneratedTokens"])
            rows.append((moment.timestamp(), *tokens))
    rows.sort()
    begin_s = rows[0][0]
    return of(name or path.name.split(".")[0], [(at - begin_s, c, g) for at, c, g in rows], True)


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def of(
    name: str, rows: list[tuple[float, int, int]], recorded: bool = False, horizon_s: float = 0.0
) -> Trace:
    """Make a trace of rows that are in order."""
    return Trace(
        name,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        horizon_s or (rows[-1][0] + 1.0 if rows else 1.0),
        recorded,
    )


WARM_UP_S: Final = 600.0
"""The longest window of any of the algorithms (KubeAI's average)."""


def warmed(trace: Trace) -> Trace:
    """Play the first ten minutes once before, uncounted: nobody is judged by an empty memory."""
    rows = list(zip(trace.arrivals_s, trace.context_tokens, trace.generated_tokens, strict=True))
    before = [row for row in rows if row[0] < WARM_UP_S]
    shifted = before + [(at_s + WARM_UP_S, c, g) for at_s, c, g in rows]
    made = of(trace.name, shifted, trace.recorded, trace.horizon_s + WARM_UP_S)
    return replace(made, begin_s=WARM_UP_S)


def cut(trace: Trace, seconds: float) -> Trace:
    """Keep the beginning."""
    rows = zip(trace.arrivals_s, trace.context_tokens, trace.generated_tokens, strict=True)
    return of(trace.name, [row for row in rows if row[0] < seconds], trace.recorded, seconds)


def thinned(trace: Trace, *, share: float, on_s: float, off_s: float, seed: int) -> Trace:
    """Keep `share` of the requests and none in the gaps: for scale to zero."""
    dice = random.Random(seed)
    rows = [
        row
        for row in zip(trace.arrivals_s, trace.context_tokens, trace.generated_tokens, strict=True)
        if row[0] % (on_s + off_s) < on_s and dice.random() < share
    ]
    return of(f"{trace.name}-gaps", rows, trace.recorded, trace.horizon_s)


def generated(name: str, rate: Callable[[float], float], *, length_s: float, seed: int) -> Trace:
    """Poisson arrivals whose rate (requests/s) is `rate(t)`; token counts are log-normal."""
    dice = random.Random(f"{name}-{seed}")
    peak = max(rate(t) for t in range(int(length_s)))
    rows: list[tuple[float, int, int]] = []
    at_s = 0.0
    while True:
        at_s += dice.expovariate(peak)
        if at_s >= length_s:
            return of(name, rows, horizon_s=length_s)
        if dice.random() * peak < rate(at_s):
            context = min(16_000, int(dice.lognormvariate(6.6, 0.9)))
            rows.append((at_s, context, min(2_000, int(dice.lognormvariate(5.1, 0.7)) + 1)))


def _diurnal(t: float) -> float:
    return 3.5 - 3.0 * math.cos(2 * math.pi * t / 3600)


def _step(t: float) -> float:
    return 2.0 if t < 900 else 7.0 if t < 2400 else 3.0


def _spike(t: float) -> float:
    return 12.0 if 1200 <= t < 1260 or 2500 <= t < 2680 else 2.0


def _on_off(t: float) -> float:
    return 4.0 if t % 900 < 300 else 0.0


def _ramp(t: float) -> float:
    return 1.0 + 7.0 * min(1.0, t / 2400)


def _steady(_: float) -> float:
    return 5.0


def _waves(t: float) -> float:
    return 4.0 + 2.5 * math.sin(2 * math.pi * t / 420) + 1.0 * math.sin(2 * math.pi * t / 97)


TUNED: Final[dict[str, Callable[[float], float]]] = {
    "diurnal": _diurnal,
    "step": _step,
    "spike": _spike,
    "on-off": _on_off,
}
"""Looked at while the default was chosen."""


def _random_walk(seed: int) -> Callable[[float], float]:
    """A rate that wanders, with sudden bursts of half a minute to three minutes."""
    dice = random.Random(f"walk-{seed}")
    level, rates = 4.0, []
    burst_until, burst = 0, 1.0
    for minute in range(61):
        level = min(9.0, max(0.6, level * math.exp(dice.gauss(0.0, 0.18))))
        for second in range(0, 60, 10):
            now = minute * 60 + second
            if now >= burst_until and dice.random() < 0.012:
                burst_until, burst = now + dice.choice([30, 60, 120, 180]), dice.uniform(1.6, 3.0)
            rates.append(level * (burst if now < burst_until else 1.0))
    return lambda t: rates[min(len(rates) - 1, int(t // 10))]


def held_out(seed: int) -> dict[str, Callable[[float], float]]:
    """Return rates that were not looked at while the default was chosen."""
    return {"ramp": _ramp, "waves": _waves, "steady": _steady, "wander": _random_walk(seed)}
