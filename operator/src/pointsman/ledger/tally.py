"""PURE: what a rollup counts, and by how much an event moves it.

A rollup is the sum of a series over 5 minutes, an hour or a day; every event moves one of each, so
that a question about a month adds up days. All sums are whole numbers, and so exact.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pointsman.events.schema import Request
from pointsman.ledger.histogram import BINS, bin_of
from pointsman.ledger.rows import Said

SPANS_MS: Final = (300_000, 3_600_000, 86_400_000)
COUNTS: Final = (
    "requests", "errors", "fallbacks", "estimated", "clock_wrong", "input_tokens", "output_tokens",
    "cached_tokens", "reasoning_tokens", "cost_nano", "baseline_nano", "compared_nano",
    "duration_us", "first_token_us", "overhead_us", "held_us",
)  # fmt: skip
"""
What requests move.

`errors`: no complete answer, for a reason that was not the caller's. `fallbacks`: another backend
was tried before the one that answered. `compared_nano`: the cost of those that have a baseline.
The durations are of complete answers, as are the histograms.
"""
QUALITY: Final = (
    "feedback", "rated", "rating_micro", "good_fit", "underpowered", "overprovisioned", "failed",
    "retried", "abandoned",
)  # fmt: skip
"""
What feedback moves, in the rollup of the request that it is about.

`feedback` counts what was said; what was only seen (a retry, an abandoned stream) has counts of its
own and moves no other. A request has one rating and one verdict, the last that was given.
"""
DURATION: Final = tuple(f"d{index:02}" for index in range(BINS))
FIRST_TOKEN: Final = tuple(f"f{index:02}" for index in range(BINS))
COLUMNS: Final = (*COUNTS, *QUALITY, *DURATION, *FIRST_TOKEN)
_FIRST_QUALITY: Final = len(COUNTS)
_FIRST_DURATION: Final = len(COUNTS) + len(QUALITY)
_FIRST_TOKEN: Final = _FIRST_DURATION + BINS
VERDICTS: Final = QUALITY[3:7]


class Series(NamedTuple):
    """What rollups are kept by."""

    policy: str
    rule: str
    task: str
    backend: str
    team: str
    currency: str

    @property
    def id(self) -> int:
        """
        A hash of 63 bits: the same in every replica, without asking the store.

        Among 100,000 series two have the same id with a chance of 1 in 1.8 billion.
        """
        text = "\0".join(self).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


class Key(NamedTuple):
    """One rollup; in the order in which rows are locked."""

    span_ms: int
    bucket_ms: int
    series: int


def is_error(event: Request) -> bool:
    """No complete answer, and the caller is not to blame."""
    if event.outcome in ("Ok", "ClientGone"):
        return False
    return not 400 <= event.status < 500 or event.status == 429


class Tally:
    """Sums of the smallest span until `keyed` is asked for all of them."""

    def __init__(self) -> None:
        self._sums: dict[tuple[Series, int], list[int]] = {}

    def _at(self, series: Series, at_ms: int) -> list[int]:
        key = (series, at_ms - at_ms % SPANS_MS[0])
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = [0] * len(COLUMNS)
        return found

    def request(self, event: Request, at_ms: int, clock_wrong: bool) -> None:
        """Count one."""
        series = Series(
            event.policy, event.rule, event.task, event.backend, event.team, event.currency
        )
        sums = self._at(series, at_ms)
        sums[0] += 1
        sums[1] += is_error(event)
        sums[2] += bool(event.left) and any(one.backend != event.backend for one in event.left)
        sums[3] += event.estimated
        sums[4] += clock_wrong
        sums[5] += event.input_tokens
        sums[6] += event.output_tokens
        sums[7] += event.cached_tokens
        sums[8] += event.reasoning_tokens
        sums[9] += event.cost_nano
        if event.baseline_nano:
            sums[10] += event.baseline_nano
            sums[11] += event.cost_nano
        if event.outcome == "Ok":
            sums[12] += event.duration_us
            sums[13] += event.first_token_us
            sums[14] += event.overhead_us
            sums[15] += event.held_us
            sums[_FIRST_DURATION + bin_of(event.duration_us)] += 1
            if event.first_token_us:
                sums[_FIRST_TOKEN + bin_of(event.first_token_us)] += 1

    def quality(self, series: Series, at_ms: int, moved: Sequence[int]) -> None:
        """Add what `quality` said of a request."""
        sums = self._at(series, at_ms)
        for index, value in enumerate(moved, _FIRST_QUALITY):
            sums[index] += value

    def series(self) -> list[Series]:
        """Each that is in it."""
        return sorted({series for series, _ in self._sums})

    def keyed(self) -> list[tuple[Key, list[int]]]:
        """What every rollup moves by, in the order of the keys."""
        found: dict[Key, list[int]] = {}
        ids = {series: series.id for series in self.series()}
        for (series, bucket_ms), sums in self._sums.items():
            for span_ms in SPANS_MS:
                key = Key(span_ms, bucket_ms - bucket_ms % span_ms, ids[series])
                known = found.get(key)
                found[key] = (
                    sums if known is None else list(map(sum, zip(known, sums, strict=True)))
                )
        return sorted(found.items())


def columns_of(
    moved: Sequence[tuple[Key, list[int]]],
) -> tuple[list[Sequence[int]], tuple[str, ...], list[Sequence[int]]]:
    """The parts of the keys, and names and values of the sums that are not all 0; by column."""
    keys: list[Sequence[int]] = list(zip(*(key for key, _ in moved), strict=True))
    found = [
        (name, column)
        for name, column in zip(COLUMNS, zip(*(s for _, s in moved), strict=True), strict=True)
        if any(column)
    ]
    return keys, tuple(name for name, _ in found), [column for _, column in found]


def quality(feedback: Iterable[Said]) -> list[int]:
    """
    What all the feedback about one request counts as: values of QUALITY.

    A score counts before `good`. Of ratings and verdicts the last one counts, since people change
    their mind, and a reviewer's is the last; what was seen counts once.
    """
    counts, rating, verdict, signals = 0, None, "", set()
    for one in sorted(feedback, key=lambda one: (one.source, one.at_ms, one.id)):
        counts += not one.signal
        if one.score_micro is not None:
            rating = one.score_micro
        elif one.good is not None:
            rating = 1_000_000 * one.good
        verdict = one.verdict or verdict
        signals.add(one.signal)
    verdicts = [int(verdict == known) for known in VERDICTS]
    seen = [int(signal in signals) for signal in ("Retry", "Abandoned")]
    return [counts, int(rating is not None), rating or 0, *verdicts, *seen]
