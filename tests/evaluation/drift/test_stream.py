"""A stream of golden results: what it keeps, what it refuses, what it says."""

from collections.abc import Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.evaluation.drift.errors import BadObservation, BadState
from pointsman.evaluation.drift.observation import Missing, Observation, Pair, Probe
from pointsman.evaluation.drift.stream import (
    Absent,
    Direction,
    State,
    begin,
    dump,
    load,
    rebaselined,
    update,
)
from pointsman.evaluation.drift.verdict import Phase, verdict

SCORES = st.one_of(st.sampled_from([0.0, 1.0, 0, 1]), st.floats(0, 1))
MISSING = st.sampled_from(list(Missing))
PAIRS = st.lists(st.one_of(st.builds(Pair, SCORES, SCORES), MISSING), max_size=60)
BASELINES = st.integers(1, 4).flatmap(
    lambda runs: st.lists(st.tuples(*[SCORES] * runs), min_size=1, max_size=12)
)


def fed(state: State, seen: Sequence[Observation]) -> State:
    """One after the other."""
    for one in seen:
        state = update(state, one)
    return state


def golden(rng: Random, prompts: int = 100, runs: int = 5) -> list[tuple[float, ...]]:
    """Right in each run (8 of 10 prompts), wrong in each, or wavering."""
    chances = [rng.choices((1.0, 0.0, 0.5), (0.8, 0.1, 0.1))[0] for _ in range(prompts)]
    return [tuple(float(rng.random() < one) for _ in range(runs)) for one in chances]


def probed(runs: list[tuple[float, ...]], count: int, broken: int) -> list[Observation]:
    """The last answers once more, in turn; the first `broken` prompts are wrong."""
    turns = (index % len(runs) for index in range(count))
    return [Probe(runs[turn][-1] if turn >= broken else 0.0, runs[turn]) for turn in turns]


@given(PAIRS, st.integers(0, 60))
def test_a_restart_anywhere_changes_nothing(seen: list[Observation], cut: int) -> None:
    """What is loaded is what was dumped, and goes on to the same end, in the same bytes."""
    whole = fed(begin(), seen)
    halfway = load(dump(fed(begin(), seen[:cut])))

    assert fed(halfway, seen[cut:]) == whole
    assert dump(fed(halfway, seen[cut:])) == dump(whole)
    assert load(dump(whole)) == whole


@settings(max_examples=60)
@given(BASELINES, st.data())
def test_each_baseline_and_score_in_range_gives_numbers(
    runs: list[tuple[float, ...]], data: st.DataObject
) -> None:
    """No NaN, no infinity, nothing below 0, whatever the scores; and JSON keeps it."""
    state = begin(runs)
    for _ in range(data.draw(st.integers(0, 30))):
        prompt = data.draw(st.sampled_from(runs))
        state = update(state, Probe(data.draw(SCORES), prompt))
    said = verdict(state)

    assert load(dump(state)) == state
    assert -1 <= said.low <= said.change <= said.high <= 1
    assert all(0 <= arm.wealth <= 1e300 for arm in (*state.worse, *state.better))


@pytest.mark.parametrize("worse", [True, False])
def test_certain_evidence_stays_finite(worse: bool) -> None:
    """Answers that are always lost, or always won, for longer than a double has room for."""
    state = fed(begin(), [Pair(float(not worse), float(worse))] * 4000)

    assert 1e299 < verdict(state).evidence < float("inf")
    assert load(dump(state)) == state


@pytest.mark.slow
def test_a_state_is_small_however_long_the_stream() -> None:
    """Some 3 KB after 20,000 probes, as after 200."""
    rng = Random(1)
    runs = golden(rng)
    state = begin(runs)
    sizes = []
    for turn in range(20_000):
        state = update(state, Probe(float(rng.random() < 0.8), runs[turn % len(runs)]))
        sizes.append(len(dump(state)) if turn % 1000 == 199 else 0)

    assert max(sizes) < 3000


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Pair(1.5, 1), "a number from 0 to 1, not 1.5"),
        (Pair(float("nan"), 1), "not nan"),
        (Pair(1, -0.1), "not -0.1"),
        (Pair("1", 1), "not '1'"),  # type: ignore[arg-type]
        (Pair(True, 1), "not True"),
        (Probe(1, (1, 1)), "in a stream of pairs"),
    ],
)
def test_what_cannot_be_a_score_is_refused(seen: Observation, words: str) -> None:
    """The error has the value."""
    with pytest.raises(BadObservation, match=words):
        update(begin(), seen)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Pair(1, 1), "a pair in a stream that is against stored runs"),
        (Probe(1, (1,)), "1 stored runs; the baseline has 2"),
        (Probe(1, (1, 7)), "not 7"),
        (Probe(2, (1, 1)), "not 2"),
    ],
)
def test_a_probe_has_to_fit_its_baseline(seen: Observation, words: str) -> None:
    """A stream is of one kind, and its runs are those that it began with."""
    with pytest.raises(BadObservation, match=words):
        update(begin([(1, 1), (0, 1)]), seen)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([], "1 to 100000 prompts, not 0"),
        ([()], "1 to 1000 runs, not 0"),
        ([(1, 1), (1,)], "prompt 1 has 1 runs, the first 2"),
        ([(1, 3)], "run of prompt 0 has to be a number from 0 to 1, not 3"),
    ],
)
def test_a_baseline_that_is_none_is_refused(runs: list[tuple[float, ...]], words: str) -> None:
    """Before anything is asked of a backend."""
    with pytest.raises(BadObservation, match=words):
        begin(runs)


@pytest.mark.parametrize("alpha", [0, -1, 0.6, float("nan")])
def test_alpha_is_a_chance(alpha: float) -> None:
    """Nothing above a half is a promise."""
    with pytest.raises(BadObservation, match="alpha is above 0"):
        begin(alpha=alpha)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 9}, "of version 9; this one reads 1"),
        ({"worse": []}, "of other bets: 0 arms, not 5"),
        ({"alpha": 7.0}, "numbers that cannot be"),
        ({"count": -1}, "numbers that cannot be"),
        ({"better": [[-1.0, 0.0, 0, [0, 0.0, 0.0]]] * 5}, "numbers that cannot be"),
        ({"worse": "x"}, "not a drift state: Expected `array`"),
    ],
)
def test_a_damaged_state_is_refused(change: dict[str, object], words: str) -> None:
    """A stream does not go on from what it cannot have written."""
    stored = msgspec.json.decode(dump(update(begin(), Pair(1, 0)))) | change
    with pytest.raises(BadState, match=words):
        load(msgspec.json.encode(stored))


@pytest.mark.parametrize("stored", ["", "[]", "{}", '{"version": "1"}', '{"version": 1}'])
def test_what_is_no_state_is_refused(stored: str) -> None:
    """With the decoder's reason."""
    with pytest.raises(BadState, match="not a drift state"):
        load(stored)


def test_no_answer_is_no_evidence() -> None:
    """Refused, timed out and unreadable probes are counted apart, and nothing else moves."""
    state = update(begin(), Pair(1, 1))
    after = fed(state, [Missing.REFUSED] * 300 + [Missing.TIMED_OUT] * 2 + [Missing.UNREADABLE])

    assert after.absent == Absent(refused=300, timed_out=2, unreadable=1)
    assert msgspec.structs.replace(after, absent=Absent()) == state
    assert verdict(after).words == "no change in 1 probes and 303 without a score"


def test_a_drop_is_said_with_its_size_and_moment() -> None:
    """20 of 100 prompts break after probe 1,000; the sentence has all that one asks."""
    runs = golden(Random(2))
    begun = fed(begin(runs), probed(runs, 1000, broken=0))
    said = verdict(fed(begun, probed(runs, 200, broken=20)))

    assert (said.phase, said.direction) == (Phase.DRIFTED, Direction.WORSE)
    assert said.found_at is not None
    assert 1000 < said.found_at < 1050
    assert 995 <= said.since <= 1005
    assert said.low < -0.18 < said.high
    assert said.evidence > said.needed == pytest.approx(1 / 0.00375)
    assert said.words.startswith("worse: -")
    assert "false alarms in at most 1 % of streams; 1200 probes" in said.words


def test_an_improvement_is_found_too() -> None:
    """Prompts that each run failed are answered now."""
    runs = [(float(turn % 10 < 7),) * 5 for turn in range(100)]
    said = verdict(fed(begin(runs), [Probe(1.0, runs[turn % 100]) for turn in range(300)]))

    assert (said.phase, said.direction) == (Phase.DRIFTED, Direction.BETTER)
    assert said.low < 0.3 < said.high


def test_suspicion_comes_before_and_goes() -> None:
    """CUSUM asks for more probes sooner than the evidence decides, and forgets."""
    state, lost = begin(), 0
    while verdict(state).phase is Phase.STEADY:
        state, lost = update(state, Pair(0, 1)), lost + 1
        if lost == 5:
            state = fed(state, [Pair(1, 1)] * 2000 + [Pair(1, 0)] * 8)  # weeks in which it is well
    said = verdict(state)
    assert (said.phase, said.direction) == (Phase.SUSPECTED, Direction.WORSE)
    assert said.words.startswith("perhaps worse: -")

    assert verdict(fed(state, [Pair(1, 0)] * 9)).phase is Phase.STEADY


def test_a_rebaselined_stream_begins_anew() -> None:
    """Its evidence is gone, its kind and alpha stay, and it is counted."""
    runs = [(1.0,) * 5] * 50
    drifted = fed(begin(runs, alpha=0.02), [Probe(0, runs[0])] * 50)
    assert drifted.alarm is not None

    anew = rebaselined(drifted, [(0.0,) * 5] * 50)
    assert (anew.stream, anew.alpha, anew.count, anew.alarm) == (1, 0.02, 0, None)
    assert verdict(fed(anew, [Probe(0, (0.0,) * 5)] * 500)).phase is Phase.STEADY
    with pytest.raises(BadObservation, match="of stored runs needs new ones"):
        rebaselined(drifted)


def test_an_alarm_stays_when_the_drift_ends() -> None:
    """Somebody has to look at it; the numbers go on."""
    drifted = fed(begin(), [Pair(0, 1)] * 20)
    later = verdict(fed(drifted, [Pair(1, 1)] * 50 + [Pair(1, 0)] * 30))

    assert drifted.alarm is not None
    assert (later.phase, later.found_at, later.over) == (Phase.DRIFTED, drifted.alarm.at, True)
    assert later.words == f"worse: found at probe {later.found_at}, over now; 100 probes"
