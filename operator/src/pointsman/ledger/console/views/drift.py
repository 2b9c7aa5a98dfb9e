"""PURE: whether models are what they were: what the detector says, and the runs that it saw.

A point is a whole run of golden prompts: the mean of its scores, with Wilson's interval. The
verdict is the operator's: nothing is detected here a second time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pointsman.ledger.console.fleet.seen import Backend, Drift, Seen
from pointsman.ledger.rows import Row
from pointsman.ledger.summary import interval

MOST: Final = 4_000
"""Runs, of all backends together."""
POINTS: Final = 200
"""Of one picture, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run of a suite on one backend."""

    at_ms: int
    mean: float
    low: float
    high: float
    n: int
    missing: int
    """Prompts without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One backend. `since_ms`: of the earliest proven change."""

    name: str
    model: str
    suite: str
    state: str
    """`ok`, `warn`, `bad` or empty, for its mark."""
    verdict: str
    """One word."""
    message: str
    drift: tuple[Drift, ...]
    points: tuple[Point, ...]
    since_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Those that changed first."""

    from_ms: int
    to_ms: int
    backends: tuple[Watched, ...]


def question(from_ms: int) -> tuple[str, list[object]]:
    """SQL and values; rows: backend, suite, run, time, scores, their sum, answers; newest first."""
    return (
        (
            "SELECT backend, suite, run, MIN(at_ms), COUNT(score_micro), SUM(score_micro), COUNT(*)"
            " FROM evaluations WHERE at_ms >= ?"
            " GROUP BY backend, suite, content, run ORDER BY 4 DESC LIMIT ?"
        ),
        [from_ms, MOST],
    )


def watch(rows: Iterable[Row], seen: Seen, from_ms: int, to_ms: int) -> Watch:
    """Of the rows of that question, and of backends without any."""
    runs: dict[str, list[tuple[str, Point]]] = {}
    for backend, suite, _, at_ms, scores, micro, answers in rows:
        n = int(str(scores))
        if n:
            mean = int(str(micro)) / 1_000_000 / n
            low, high = interval(mean, n)
            point = Point(
                at_ms=int(str(at_ms)), mean=mean, low=low, high=high, n=n,
                missing=int(str(answers)) - n,
            )  # fmt: skip
            runs.setdefault(str(backend), []).append((str(suite), point))
    known = {one.name: one for one in seen.backends}
    names = [name for name in known if known[name].drifted or name in runs]
    names += [name for name in runs if name not in known]
    found = [_watched(name, known.get(name), runs.get(name, [])) for name in names]
    order = {"bad": 0, "warn": 1, "": 3, "ok": 2}
    return Watch(
        from_ms=from_ms,
        to_ms=to_ms,
        backends=tuple(sorted(found, key=lambda one: (order[one.state], one.name))),
    )


def _watched(name: str, backend: Backend | None, runs: list[tuple[str, Point]]) -> Watched:
    points = sorted((point for _, point in runs[:POINTS]), key=lambda one: one.at_ms)
    proven = [one for one in backend.drift if not one.suspected] if backend else []
    return Watched(
        name=name,
        model=backend.model if backend else "",
        suite=runs[0][0] if runs else "",
        state=_state(backend),
        verdict=(backend.drift_reason if backend else "") or "Unknown",
        message=backend.drift_message if backend else "the fleet is not seen: points alone",
        drift=backend.drift if backend else (),
        points=tuple(points),
        since_ms=min((ms for one in proven if (ms := _ms(one.since))), default=None),
    )


def _state(backend: Backend | None) -> str:
    if backend is None or backend.drifted not in {"True", "False"}:
        return ""
    if backend.drifted == "True":
        return "warn" if backend.drift_reason == "Better" else "bad"
    return "warn" if backend.drift_reason == "Suspected" else "ok"


def _ms(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return None
