"""
PURE: whether ordinary traffic of a backend looks different: a hint, for callers change, too.

Batches of at least `batch` requests are ranked among all earlier ones. While they are exchangeable
(no trend, no hour of the day) ranks are as good as dice, whatever the distribution, and bets on
them win nothing: a conformal martingale (Vovk et al. 2003). `alpha` is for the whole stream, all
signals and both directions. Values are kept in bins; a tie counts against the bet.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import accumulate
from math import asin, exp, log, pi, sin, sqrt
from typing import Final

import msgspec

from pointsman.evaluation.drift import betting
from pointsman.evaluation.drift.errors import BadObservation, BadState
from pointsman.evaluation.drift.stored import read_state

VERSION: Final = 1
POWERS: Final = (0.15, 0.3, 0.5)
"""Bets k * p ** (k - 1) on a rank p (Vovk and Wang 2021): fair for each k between 0 and 1."""
BINS_A_UNIT: Final = 50
"""2 % of a time or a length; a rate is a hundredth of its way from 0 to 1, which is by angles."""
SPAN: Final = 100
"""Batches after which half is staked (`betting.stake`); the first has no past to bet on."""
FINISHES: Final = ("length", "content_filter", "tool_calls")
MANY: Final = 2**53
BINS_AT_MOST: Final = 64


class Signal(StrEnum):
    """What of the traffic is looked at."""

    ERROR_RATE = "ErrorRate"
    FIRST_TOKEN = "FirstToken"
    ANSWER_LENGTH = "AnswerLength"
    CUT_SHORT = "FinishLength"
    FILTERED = "FinishContentFilter"
    TOOL_CALLS = "FinishToolCalls"
    RATING = "Rating"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """
    Whole numbers of a window of the ledger, which can be added up.

    `first_token`: the ledger's histogram of times, 1 ms and then borders a square root of 2 apart.
    `finishes`: answers by finish reason; "length", "content_filter", "tool_calls" are looked at.
    """

    requests: int = 0
    errors: int = 0
    output_tokens: int = 0
    first_token: tuple[int, ...] = ()
    finishes: Mapping[str, int] = {}
    rated: int = 0
    """Requests with a rating, and the sum of their ratings in millionths (0 to 1 each)."""
    rating_micro: int = 0


class Past(msgspec.Struct, frozen=True, array_like=True):
    """Of one signal: earlier values by bin (at most some hundred), and the wealth of its bets."""

    bins: tuple[tuple[int, int], ...] = ()
    higher: tuple[float, ...] = (0.0,) * len(POWERS)
    lower: tuple[float, ...] = (0.0,) * len(POWERS)


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """The first batch (from 1) at which a signal's evidence was enough, and its value there."""

    signal: Signal
    higher: bool
    batch: int
    value: float
    usual: float
    evidence: float


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known; `waiting` is not yet a whole batch."""

    version: int = VERSION
    alpha: float
    batch: int
    waiting: Counts = Counts()
    batches: int = 0
    past: dict[Signal, Past]
    hints: tuple[Hint, ...] = ()
    """At most one for each signal and direction."""


def watch(*, alpha: float = 0.01, batch: int = 50) -> Watch:
    """Begin: `alpha` for the whole stream, `batch` requests at least are one batch."""
    if not 0 < alpha <= 0.5:
        raise BadObservation(f"alpha is above 0 and at most 0.5, not {alpha!r}")
    if not 1 <= batch <= MANY:
        raise BadObservation(f"a batch has 1 request or more, not {batch!r}")
    return Watch(alpha=alpha, batch=batch, past={signal: Past() for signal in Signal})


def add(state: Watch, counts: Counts) -> Watch:
    """Take what a window counted. Raises BadObservation for what cannot be."""
    _check(counts)
    together = _sum(state.waiting, counts)
    if together.requests < state.batch:
        return msgspec.structs.replace(state, waiting=together)
    return _judged(state, together)


def needed(state: Watch) -> float:
    """The evidence at which a signal is a hint: alpha is shared by signals and directions."""
    return 2 * len(Signal) / state.alpha


def dump(state: Watch) -> bytes:
    """JSON, exact: `load` of it is the same."""
    return msgspec.json.encode(state, order="sorted")


def load(stored: bytes | str) -> Watch:
    """Read what `dump` wrote. BadState says what is wrong with it."""
    state = read_state(stored, Watch, VERSION, "watch")
    wealth = [one for past in state.past.values() for one in (*past.higher, *past.lower)]
    if set(state.past) != set(Signal) or len(wealth) != 2 * len(POWERS) * len(Signal):
        raise BadState("a watch of other signals or bets")
    counts = [count for past in state.past.values() for _, count in past.bins]
    if not (
        0 < state.alpha <= 0.5
        and state.batch >= 1
        and state.batches >= 0
        and all(0 <= one <= betting.CAP for one in wealth)
        and all(1 <= count <= state.batches for count in counts)
    ):
        raise BadState("a watch with numbers that cannot be")
    try:
        _check(state.waiting)
    except BadObservation as error:
        raise BadState(f"a watch with counts that cannot be: {error}") from error
    return state


def _check(counts: Counts) -> None:
    finishes = counts.finishes.values()
    rest = (*counts.first_token, *finishes, counts.rated, counts.rating_micro)
    whole = (counts.requests, counts.errors, counts.output_tokens, *rest)
    if any(isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < MANY for n in whole):
        raise BadObservation(f"counts are whole numbers from 0, not {counts!r}")
    if counts.errors > counts.requests:
        raise BadObservation(f"{counts.errors} errors of {counts.requests} requests")
    if len(counts.first_token) > BINS_AT_MOST:
        raise BadObservation(f"a histogram of {len(counts.first_token)} bins, over {BINS_AT_MOST}")
    if counts.rating_micro > counts.rated * 1_000_000:
        raise BadObservation(
            f"{counts.rated} ratings with a sum of {counts.rating_micro} millionths"
        )
    answers = counts.requests - counts.errors
    if sum(finishes) > answers or sum(counts.first_token) > counts.requests:
        raise BadObservation(f"more answers than the {answers} of {counts.requests} requests")


def _sum(one: Counts, other: Counts) -> Counts:
    bins = max(len(one.first_token), len(other.first_token))
    pairs = zip(_filled(one.first_token, bins), _filled(other.first_token, bins), strict=True)
    reasons = sorted((set(one.finishes) | set(other.finishes)) & set(FINISHES))
    return Counts(
        requests=one.requests + other.requests,
        errors=one.errors + other.errors,
        output_tokens=one.output_tokens + other.output_tokens,
        first_token=tuple(first + second for first, second in pairs),
        finishes={
            reason: one.finishes.get(reason, 0) + other.finishes.get(reason, 0)
            for reason in reasons
        },
        rated=one.rated + other.rated,
        rating_micro=one.rating_micro + other.rating_micro,
    )


def _filled(bins: tuple[int, ...], length: int) -> tuple[int, ...]:
    return bins + (0,) * (length - len(bins))


def _judged(state: Watch, batch: Counts) -> Watch:
    past, hints = dict(state.past), list(state.hints)
    known = {(hint.signal, hint.higher) for hint in hints}
    staked = betting.stake(state.batches, first=0.0, span=SPAN)
    for signal, value in _values(batch):
        own = _bin(signal, value)
        before = past[signal]
        past[signal] = after = _ranked(before, own, staked)
        for higher, wealth in ((True, after.higher), (False, after.lower)):
            reached = sum(wealth) / len(wealth)
            if reached >= needed(state) and (signal, higher) not in known:
                hints.append(
                    Hint(
                        signal=signal,
                        higher=higher,
                        batch=state.batches + 1,
                        value=value,
                        usual=_usual(signal, before),
                        evidence=reached,
                    )
                )
    return msgspec.structs.replace(
        state, waiting=Counts(), batches=state.batches + 1, past=past, hints=tuple(hints)
    )


def _values(batch: Counts) -> Iterator[tuple[Signal, float]]:
    """Shares, seconds, tokens; nothing where there was nothing to divide by."""
    yield Signal.ERROR_RATE, batch.errors / batch.requests
    timed, answers = sum(batch.first_token), batch.requests - batch.errors
    if timed:
        mean = sum(index * count for index, count in enumerate(batch.first_token)) / timed
        yield Signal.FIRST_TOKEN, 0.001 * 2 ** ((mean - 0.5) / 2)
    if answers:
        yield Signal.ANSWER_LENGTH, batch.output_tokens / answers
        shares = (batch.finishes.get(reason, 0) / answers for reason in FINISHES)
        yield from zip((Signal.CUT_SHORT, Signal.FILTERED, Signal.TOOL_CALLS), shares, strict=True)
    if batch.rated:
        yield Signal.RATING, batch.rating_micro / 1_000_000 / batch.rated


def _bin(signal: Signal, value: float) -> int:
    if signal is Signal.FIRST_TOKEN:
        return round(BINS_A_UNIT * log(value))
    if signal is Signal.ANSWER_LENGTH:
        return round(BINS_A_UNIT * log(1 + value))
    return round(100 * asin(sqrt(value)) / (pi / 2))


def _usual(signal: Signal, past: Past) -> float:
    """The median of the earlier batches, as exact as a bin."""
    half = sum(count for _, count in past.bins) / 2
    below = accumulate(count for _, count in past.bins)
    own = next(place for (place, _), sum_ in zip(past.bins, below, strict=True) if sum_ >= half)
    if signal is Signal.FIRST_TOKEN:
        return exp(own / BINS_A_UNIT)
    if signal is Signal.ANSWER_LENGTH:
        return exp(own / BINS_A_UNIT) - 1
    return sin(own / 100 * (pi / 2)) ** 2


def _ranked(past: Past, own: int, staked: float) -> Past:
    """Bet on the ranks of this value from above and from below, then keep it."""
    bins = dict(past.bins)
    ties, all_of_them = bins.get(own, 0), sum(bins.values())
    above = sum(count for place, count in bins.items() if place > own)
    high = (1 + above + ties) / (1 + all_of_them)
    low = (1 + all_of_them - above) / (1 + all_of_them)
    bins[own] = ties + 1
    return Past(
        tuple(sorted(bins.items())),
        _won(past.higher, high, staked),
        _won(past.lower, low, staked),
    )


def _won(wealth: tuple[float, ...], rank: float, staked: float) -> tuple[float, ...]:
    return tuple(
        min(betting.CAP, (had + staked) * power * rank ** (power - 1))
        for had, power in zip(wealth, POWERS, strict=True)
    )
