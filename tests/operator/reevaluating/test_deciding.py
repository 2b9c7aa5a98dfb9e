"""One look after the other: what changes, what stays, and how seldom noise gets through."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.evaluation.suite.summary import quality as quality_of
from pointsman.operator.plan.reevaluating.choosing import Bounds, Route, choose
from pointsman.operator.plan.reevaluating.deciding import Look, look
from pointsman.operator.plan.reevaluating.evidence import Facts, Quality
from pointsman.operator.plan.reevaluating.moving import Move, moved, shares
from pointsman.operator.plan.reevaluating.record import (
    Memory,
    dump_memories,
    fitting,
    load_memories,
)
from tests.operator.reevaluating.known import facts, known

HOUR_S = 3600.0
ROUTE = Route(name="default", tasks=("all",), weights={"a": 1}, chain=("b", "c"))
NOTHING = Memory(uid="u", declared="desk-1")


@dataclass(slots=True)
class Story:
    """A policy that is looked at; what it decides takes effect at once."""

    route: Route = ROUTE
    bounds: Bounds = field(default_factory=Bounds)
    settled: bool = True
    memory: Memory = NOTHING
    now_s: float = 1_800_000_000.0
    causes: list[str] = field(default_factory=list)

    def see(self, *found: Facts, hours: float = 1.0) -> tuple[Move, ...]:
        """So many hours later; the moves that are wanted then."""
        self.now_s += hours * HOUR_S
        scene = Look(
            routes=(self.route,), bounds=self.bounds, interval_s=HOUR_S, settled=self.settled
        )
        choice = look(self.memory, scene, known(*found), now_s=self.now_s)
        self.memory = msgspec.structs.replace(choice.memory, moves=dict(choice.moves))
        if choice.cause:
            self.causes.append(choice.cause)
        return self.memory.moves.get("default", ())


def test_drift_is_followed_at_once_and_back() -> None:
    """No second run is waited for: the detector has many behind it."""
    story = Story()
    assert story.see(facts("a", 0.86), facts("b", 0.84)) == ()
    moves = story.see(facts("a", 0.6, state="Worse"), facts("b", 0.84), hours=0.01)
    assert moves == (Move("a", "b", "Worse"),)
    assert story.see(facts("a", 0.7, state="Worse"), facts("b", 0.80)) == moves
    assert story.see(facts("a", 0.85, drifted=""), facts("b", 0.80)) == moves
    assert story.see(facts("a", 0.85), facts("b", 0.84), hours=0.01) == ()

    assert story.causes == ["Drifted", "Recovered"]


def test_without_drift_two_runs_have_to_say_so() -> None:
    """The same run twice is one."""
    story, runs = Story(), [f"2026-11-26T1{hour}:00:00Z" for hour in range(4)]
    for hour in (0, 0, 0):
        assert story.see(*_better(runs[hour])) == ()
    assert story.see(*_better(runs[1])) == (Move("a", "b", "NoDearer"),)

    assert story.causes == ["Scheduled"]


def test_a_run_that_says_otherwise_begins_anew() -> None:
    """One of two is luck."""
    story = Story()
    assert story.see(*_better("1")) == ()
    assert story.see(facts("a", 0.85, time="2"), facts("b", 0.85, time="2")) == ()
    assert story.see(*_better("3")) == ()
    assert story.see(*_better("4")) != ()


def _better(time: str) -> tuple[Facts, Facts]:
    return facts("a", 0.7, time=time), facts("b", 0.9, time=time)


def test_between_two_looks_nothing_is_looked_at_without_news() -> None:
    """An interval, a price, a backend, or drift."""
    story = Story(bounds=Bounds(gain_points=1))
    story.see(facts("a", 0.7, time="1", price=1), facts("b", 0.9, time="1", price=2))
    before = story.memory
    story.see(facts("a", 0.7, time="2", price=1), facts("b", 0.9, time="2", price=2), hours=0.1)
    assert story.memory == before
    cheap = [facts("a", 0.7, time="2", price=3), facts("b", 0.9, time="2", price=2)]
    story.see(*cheap, hours=0.1)
    assert story.memory.pending
    assert story.see(*(replace(one, quality=_later(one)) for one in cheap)) != ()


def _later(one: Facts) -> dict[str, Quality]:
    return {task: found._replace(time="3") for task, found in one.quality.items()}


def test_a_price_or_a_new_backend_is_the_cause() -> None:
    """What was looked at for a price is told so."""
    story = Story()
    story.see(facts("a", 0.7, price=1), facts("b", 0.9, price=2))
    story.see(facts("a", 0.7, price=3, time="1"), facts("b", 0.9, price=2, time="1"))
    before = story.memory
    story.see(facts("a", 0.7, price=4, time="2"), facts("b", 0.9, price=2, time="2"))
    assert story.causes == ["PriceChanged"]
    story.memory = before
    story.see(
        facts("a", 0.7, price=3, time="2"), facts("b", 0.9, price=2, time="2"),
        facts("c", 0.7, price=9),
    )  # fmt: skip
    assert story.causes == ["PriceChanged", "BackendAdded"]
    story.see(facts("a", 0.7, price=1), facts("b", 0.9, price=2))
    assert story.memory.moves == {}


def test_while_a_rollout_goes_on_nothing_new_is_chosen() -> None:
    """But what it was begun for may be over."""
    story = Story(settled=False)
    assert story.see(facts("a", 0.5, state="Worse"), facts("b", 0.9)) == ()
    story.memory = msgspec.structs.replace(
        story.memory, moves={"default": (Move("a", "b", "Worse"),)}
    )
    assert story.see(facts("a", 0.9), facts("b", 0.9)) == ()
    assert story.causes == ["Recovered"]


def test_a_choice_that_turns_out_worse_is_taken_back() -> None:
    """Both are worse than they were, and the second fell further."""
    story = Story()
    story.see(facts("a", 0.7, state="Worse"), facts("b", 0.9))
    assert story.memory.moves

    assert story.see(facts("a", 0.7, state="Worse"), facts("b", 0.3, state="Worse")) == ()


def test_a_third_one_takes_over_only_if_it_is_better_for_sure() -> None:
    """Two that are as good do not change places by each other's luck."""
    story = Story()
    worse = facts("a", 0.5, state="Worse")
    first = story.see(worse, facts("b", 0.86, time="0"), facts("c", 0.80, time="0"))
    for hour in range(1, 6):
        scores = (0.86, 0.82) if hour % 2 else (0.82, 0.86)
        others = [facts(n, s, time=str(hour)) for n, s in zip("bc", scores, strict=True)]
        assert story.see(worse, *others) == first
    for time in ("7", "8"):
        last = story.see(worse, facts("b", 0.6, time=time), facts("c", 0.86, time=time))
    assert last == (Move("a", "c", "Worse"),)


SCORES = st.one_of(st.none(), st.sampled_from((0.2, 0.5, 0.8, 0.9)))
STATES = st.sampled_from(
    ("Steady", "Suspected", "Worse", "Better", "IdentityChanged", "NoBaseline")
)


@st.composite
def worlds(draw: st.DrawFn) -> list[Facts]:
    """Anything that may be known of up to four backends."""
    names = draw(st.lists(st.sampled_from("abcd"), unique=True))
    return [
        facts(
            name,
            draw(SCORES),
            state=draw(STATES),
            price=draw(st.one_of(st.none(), st.integers(0, 3))),
            time=draw(st.sampled_from("123")),
        )
        for name in names
    ]


@pytest.mark.slow
@given(
    seen=st.lists(worlds(), min_size=1, max_size=3),
    percent=st.integers(1, 100),
    targets_only=st.booleans(),
)
def test_whatever_is_known_the_bounds_hold(
    seen: Sequence[list[Facts]], percent: int, *, targets_only: bool
) -> None:
    """Nobody from outside, within the part; looking twice is looking once; order plays no role."""
    route = replace(ROUTE, weights={"a": 2, "b": 1})
    story = Story(route, Bounds(percent=percent, targets_only=targets_only))
    for world in seen:
        before = story.memory
        moves = story.see(*world)
        other = Story(route, story.bounds, memory=before, now_s=story.now_s)
        assert other.see(*reversed(world), hours=0) == moves
        again = story.memory
        assert story.see(*world, hours=0) == moves
        assert story.memory == again
        old, new = shares(route.weights), shares(moved(route.weights, moves, percent))
        assert new.keys() <= set(route.pool(story.bounds))
        assert sum(max(0, new.get(n, 0) - old.get(n, 0)) for n in new) <= percent / 100 + 1e-9
        assert load_memories(dump_memories({"desk": again})) == {"desk": again}


def test_what_does_not_fit_is_forgotten_first_where_nothing_hangs_on_it() -> None:
    """The others' weights would go back to a backend that is worse."""
    held = msgspec.structs.replace(NOTHING, moves={"default": (Move("a", "b", "Worse"),)})
    memories = {"one": NOTHING, "two": held}
    whole = len(dump_memories(memories))

    assert fitting(memories, whole + 8) == memories
    assert fitting(memories, whole - 1) == {"two": held}
    assert load_memories(b"nonsense") == {}


# ---- how often noise gets through


def _seen(score: float, prompts: int, time: str) -> dict[str, Quality]:
    found = quality_of(
        [(1.0, 1)] * round(score * prompts) + [(0.0, 1)] * round((1 - score) * prompts)
    )
    assert found is not None
    return {"all": Quality(found.value, found.low, found.high, time)}


class Suites:
    """Three backends that are equally good; a run asks each the same prompts."""

    def __init__(self, seed: int, *, prompts: int, wavers: float) -> None:
        self._dice = np.random.default_rng(seed)
        self._prompts, self._wavers = prompts, wavers
        self._right = {name: self._dice.random(prompts) < 0.85 for name in "abc"}

    def run(
        self, time: str, lost: Mapping[str, float] | None = None
    ) -> dict[str, dict[str, Quality]]:
        found = {}
        for name, right in self._right.items():
            wavers = self._dice.random(self._prompts) < self._wavers
            now = np.where(wavers, self._dice.random(self._prompts) < 0.85, right)
            spoiled = self._dice.random(self._prompts) < (lost or {}).get(name, 0.0)
            found[name] = _seen(float((now & ~spoiled).mean()), self._prompts, time)
        return found


def _streams(seeds: int, *, prompts: int, wavers: float, looks: int) -> Iterator[list[str]]:
    for seed in range(seeds):
        suites, story = Suites(seed, prompts=prompts, wavers=wavers), Story()
        for number in range(looks):
            scores = suites.run(f"{number:03}")
            story.see(*(facts(name, quality=one) for name, one in scores.items()))
        yield story.causes


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.parametrize(("prompts", "wavers"), [(40, 0.1), (200, 1.0)])
def test_noise_alone_hardly_ever_changes_anything(prompts: int, wavers: float) -> None:
    """Of 1,000 policies with three equal backends, looked at 100 times: at most 1 percent."""
    changed = sum(
        bool(causes) for causes in _streams(1000, prompts=prompts, wavers=wavers, looks=100)
    )
    print(f"{prompts} prompts, {wavers:.0%} waver: {changed} of 1,000 changed anything")

    assert changed <= 10


def test_noise_alone_hardly_ever_changes_anything_quickly() -> None:
    """As above, of fewer."""
    assert sum(bool(causes) for causes in _streams(40, prompts=100, wavers=0.3, looks=20)) == 0


@pytest.mark.parametrize(
    ("prompts", "drifted", "steady"),
    [(40, 22, 32), (100, 15, 20), (200, 11, 15), (500, 8, 10), (1000, 7, 8)],
)
def test_how_far_behind_somebody_has_to_be(prompts: int, drifted: int, steady: int) -> None:
    """The table of docs/reevaluation.md."""

    def moves(points: int, state: str) -> bool:
        behind = _seen(0.85 - points / 100, prompts, "1")
        found = known(facts("a", quality=behind, state=state), facts("b", quality=better))
        return choose(ROUTE, found, Bounds()) != ()

    better = _seen(0.85, prompts, "1")
    assert min(n for n in range(1, 60) if moves(n, "Worse")) == drifted
    assert min(n for n in range(1, 60) if moves(n, "Steady")) == steady


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.parametrize(("lost", "prompts", "least"), [(0.25, 200, 196), (0.3, 100, 190)])
def test_a_real_loss_changes_it_once_and_its_end_once(
    lost: float, prompts: int, least: int
) -> None:
    """50 looks while it lasts, 50 after: one change each, however the figures waver."""
    found = []
    for seed in range(200):
        suites, story = Suites(seed, prompts=prompts, wavers=0.2), Story()
        for number in range(110):
            bad = 10 <= number < 60
            scores = suites.run(f"{number:03}", {"a": lost} if bad else {})
            state = {"a": "Worse"} if 12 <= number < 62 else {}
            story.see(
                *(facts(n, quality=q, state=state.get(n, "Steady")) for n, q in scores.items())
            )
        found.append(story.causes)
    once = (["Drifted", "Recovered"], ["Scheduled", "Recovered"])
    right = sum(causes in once for causes in found)
    print(f"{lost:.0%} lost, {prompts} prompts: {right} of 200 changed once, and back once")

    assert right >= least
