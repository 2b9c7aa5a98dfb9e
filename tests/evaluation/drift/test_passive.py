"""Traffic that looks different: batches of counts, ranked."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.evaluation.drift.errors import BadObservation, BadState
from pointsman.evaluation.drift.passive import Counts, Signal, Watch, add, dump, load, needed, watch

COUNTS = st.integers(0, 200).flatmap(
    lambda requests: st.builds(
        Counts,
        requests=st.just(requests),
        errors=st.integers(0, requests),
        output_tokens=st.integers(0, 10**6),
    )
)


def window(
    rng: Random,
    *,
    errors: float = 0.02,
    slower: float = 1.0,
    tokens: int = 200,
    cut: float = 0.05,
    liked: float = 0.8,
) -> Counts:
    """60 requests: errors, times around 0.3 s, lengths around `tokens`, some cut short."""
    failed = sum(rng.random() < errors for _ in range(60))
    bins = [0] * 40
    for _ in range(60 - failed):
        # Bin 17 ends at 0.36 s; each further one is a square root of 2 longer.
        bins[min(39, max(0, round(rng.gauss(17 + slower, 2))))] += 1
    return Counts(
        requests=60,
        errors=failed,
        output_tokens=sum(round(rng.lognormvariate(0, 0.7) * tokens) for _ in range(60 - failed)),
        first_token=tuple(bins),
        finishes={"length": sum(rng.random() < cut for _ in range(60 - failed)), "stop": 0},
        rated=15,
        rating_micro=sum(rng.random() < liked for _ in range(15)) * 1_000_000,
    )


def healthy(count: int, seed: int) -> Watch:
    """So many batches in which nothing changes."""
    rng, state = Random(seed), watch()
    for _ in range(count):
        state = add(state, window(rng))
    return state


@pytest.mark.slow
def test_healthy_traffic_gives_no_hint() -> None:
    """30 streams of 100 batches: seven signals in two directions share one `alpha`."""
    assert [hint for seed in range(30) for hint in healthy(100, seed).hints] == []


@pytest.mark.parametrize(
    ("signal", "higher", "changed"),
    [
        (Signal.ERROR_RATE, True, {"errors": 0.2}),
        (Signal.FIRST_TOKEN, True, {"slower": 3.0}),
        (Signal.FIRST_TOKEN, False, {"slower": -1.0}),
        (Signal.ANSWER_LENGTH, False, {"tokens": 100}),
        (Signal.CUT_SHORT, True, {"cut": 0.4}),
        (Signal.RATING, False, {"liked": 0.2}),
    ],
)
def test_a_change_is_hinted_at_within_20_batches(
    signal: Signal, higher: bool, changed: dict[str, float]
) -> None:
    """After 100 healthy batches, in the right signal and direction, with what is usual."""
    rng, state = Random(9), healthy(100, seed=3)
    for _ in range(20):
        state = add(state, window(rng, **changed))  # type: ignore[arg-type]
    hint = state.hints[0]

    assert (hint.signal, hint.higher) == (signal, higher)
    assert 100 < hint.batch <= 120
    assert (hint.value > hint.usual) == higher
    assert hint.evidence >= needed(state) == 1400


def test_small_windows_are_put_together() -> None:
    """Nothing is judged before a batch has its requests, and what waits survives a restart."""
    state = watch(batch=50)
    for _ in range(4):
        state = load(dump(add(state, Counts(requests=12, first_token=(0, 3)))))
    assert (state.batches, state.waiting.requests) == (0, 48)

    state = add(state, Counts(requests=2, errors=1))
    assert (state.batches, state.waiting) == (1, Counts())


@pytest.mark.slow
@given(st.lists(COUNTS, max_size=30), st.integers(0, 30))
def test_a_restart_anywhere_changes_nothing(windows: list[Counts], cut: int) -> None:
    """Also where nobody asked anything, or nobody got an answer."""
    whole, state = watch(batch=20), watch(batch=20)
    for turn, counts in enumerate(windows):
        whole = add(whole, counts)
        state = add(load(dump(state)) if turn == cut else state, counts)

    assert state == whole
    assert dump(state) == dump(whole)


@pytest.mark.slow
def test_a_watch_is_small_however_long_it_runs() -> None:
    """Bins, not values: some KB after 2,000 batches."""
    assert len(dump(healthy(2000, seed=1))) < 8000


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (Counts(requests=3, rated=1, rating_micro=1_000_001), "1 ratings with a sum of"),
        (Counts(requests=1, errors=2), "2 errors of 1 requests"),
        (Counts(requests=-1), "whole numbers from 0"),
        (Counts(requests=2, finishes={"stop": 3}), "more answers than the 2"),
        (Counts(requests=9, first_token=(0,) * 65), "a histogram of 65 bins"),
        (Counts(requests=1.5), "whole numbers from 0"),  # type: ignore[arg-type]
    ],
)
def test_counts_that_cannot_be_are_refused(counts: Counts, words: str) -> None:
    """The watch is as it was."""
    with pytest.raises(BadObservation, match=words):
        add(watch(), counts)


def test_a_damaged_watch_is_refused() -> None:
    """As a damaged stream is."""
    stored = msgspec.json.decode(dump(healthy(3, seed=1)))
    for change, words in (
        ({"version": 2}, "version 2; this one reads 1"),
        ({"alpha": 2.0}, "numbers that cannot be"),
        ({"past": {}}, "other signals or bets"),
        ({"batches": "x"}, "not a watch"),
        ({"batches": 2}, "numbers that cannot be"),
        ({"waiting": {"requests": 1, "errors": 2}}, "counts that cannot be: 2 errors of 1"),
    ):
        with pytest.raises(BadState, match=words):
            load(msgspec.json.encode(stored | change))
