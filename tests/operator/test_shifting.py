"""How far a shift of weights may go, and what replicas it asks for: the pure rule."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.table import Target
from pointsman.operator.plan.shifting import (
    DEADLINE_S,
    Capacity,
    Load,
    Scene,
    Shift,
    advance,
    dump_shifts,
    ended_between,
    is_overdue,
    load_shifts,
)
from pointsman.operator.plan.shifting.measuring import part_of
from pointsman.operator.plan.shifting.record import fitting
from pointsman.operator.plan.shifting.weights import PARTS, blended, fractions

NOW_S = 1_800_000_000.0


def targets(**weights: int) -> tuple[Target, ...]:
    return tuple(Target(backend=name, weight=weight) for name, weight in weights.items())


WANTED = {"default": targets(b=1)}
SHIFT = Shift(
    uid="u", revision="desk-2", since_s=NOW_S, stepped_s=NOW_S, before={"default": targets(a=1)}
)


def scene(
    ready: int | None = 0,
    *,
    load: float | None = 16,
    most: int = 8,
    least: int = 1,
    gone: tuple[str, ...] = (),
    giver: int | None = 4,
    unreached: tuple[str, ...] = (),
) -> Scene:
    """`a` gives all of `load` to `b`, of which so many replicas are ready, 8 requests each."""
    loads = None if load is None else {"a": Load(load, load), "b": Load(0, 0)}
    return Scene(
        scaled={"a": Capacity(giver, 8, 1, 8), "b": Capacity(ready, 8, least, most)},
        gone=frozenset(gone),
        loads=loads,
        unreached=frozenset(unreached),
    )


def share(
    of: Scene, shift: Shift = SHIFT, wanted: Mapping[str, tuple[Target, ...]] = WANTED
) -> int:
    found = advance(shift, wanted, of, now_s=NOW_S + 2)
    return found.shift.share if found.shift else 100


def test_traffic_waits_for_replicas_and_follows_them() -> None:
    """16 requests at once with their headroom are 26: four replicas of 8, and a part for each."""
    found = [share(scene(ready)) for ready in (0, 1, 2, 3, 4)]

    assert advance(SHIFT, WANTED, scene(0), now_s=NOW_S).floors == {"b": 4}
    assert found == sorted(found)
    assert found[0] == 0
    assert 0 < found[1] < found[3] < 100
    assert found[4] == 100


def test_what_one_ready_replica_serves_does_not_wait() -> None:
    """Nor does anything where there is no load, and no minimum that is still to come."""
    assert share(scene(1, load=1)) == 100
    assert share(scene(0, load=0, least=0)) == 100
    assert share(scene(0, load=0, least=1)) == 0, "its first replica is on its way"
    assert share(scene(0, load=0.1, least=0)) == 0


def test_the_maximum_is_all_that_is_waited_for() -> None:
    """More will never be ready."""
    assert advance(SHIFT, WANTED, scene(0, most=2), now_s=NOW_S).floors == {"b": 2}
    assert share(scene(1, most=2)) < 100
    assert share(scene(2, most=2)) == 100


@pytest.mark.parametrize(
    "now",
    [scene(0, gone=("a",)), scene(0, giver=0), replace(scene(0), scaled={})],
    ids=["gone", "none ready", "not ours to scale"],
)
def test_nobody_waits_for_nothing(now: Scene) -> None:
    """A giving backend that answers nobody, or a receiving one whose capacity is not ours."""
    assert share(now) == 100


def test_a_giver_that_is_gone_still_leaves_replicas_to_be_raised() -> None:
    """All goes at once, and what comes is known."""
    found = advance(SHIFT, WANTED, scene(0, gone=("a",)), now_s=NOW_S)

    assert found.shift is not None
    assert (found.shift.share, found.floors) == (100, {"b": 4})


@pytest.mark.parametrize("now", [scene(None), scene(8, load=None), scene(8, unreached=("b",))])
def test_what_is_not_known_holds(now: Scene) -> None:
    """Replicas not looked at yet, a silent router, a router without an endpoint of it."""
    assert share(now) == 0
    assert share(now, msgspec.structs.replace(SHIFT, share=40)) == 40


def test_without_data_the_replicas_stay_wanted() -> None:
    """As last estimated."""
    stored = msgspec.structs.replace(SHIFT, share=20, floors={"b": 3})

    assert advance(stored, WANTED, scene(1, load=None), now_s=NOW_S).floors == {"b": 3}


def test_a_step_that_was_just_made_is_not_counted_twice() -> None:
    """The load is still measured where it was; what is ready is not enough for more than before."""
    once = share(scene(2))
    stored = msgspec.structs.replace(SHIFT, share=once, floors={"b": 4})

    assert share(scene(2), stored) == once


def test_what_a_backend_serves_beside_needs_its_replicas_too() -> None:
    """`b` has 16 requests of another policy, which two replicas cannot serve with more."""
    both = {"a": Load(16, 16), "b": Load(16, 16)}
    now = replace(scene(4), loads=both)

    assert share(now) < 100
    assert share(replace(scene(8), loads=both)) == 100


def test_a_part_of_the_weights_needs_a_part_of_the_replicas() -> None:
    """90/10 to 50/50: what comes is half of the load at most."""
    shift = msgspec.structs.replace(SHIFT, before={"default": targets(a=90, b=10)})
    wanted = {"default": targets(a=1, b=1)}

    assert advance(shift, wanted, scene(1), now_s=NOW_S).floors == {"b": 2}


def counted(**seconds: float) -> dict[tuple[str, str, str], tuple[int, float]]:
    """A hundred requests of each rule of `desk` at `a`."""
    return {("desk", rule, "a"): (100, spent) for rule, spent in seconds.items()}


def test_a_rule_moves_its_own_part_of_the_load() -> None:
    """One in ten seconds of `a` came by `small`: all of it moves, and needs one replica of four."""
    shift = msgspec.structs.replace(SHIFT, before={"small": targets(a=1)})
    wanted = {"small": targets(b=1)}
    now = replace(scene(1), ended=counted(small=96, default=864))
    whole = replace(scene(1), ended={})
    unsure = msgspec.structs.replace(shift, unsure=("small",))
    found = [
        advance(one, wanted, seen, now_s=NOW_S, policy="desk")
        for one, seen in ((shift, now), (shift, whole), (unsure, now))
    ]

    assert [one.floors for one in found] == [{"b": 1}, {"b": 4}, {"b": 4}]
    assert [one.shift.share if one.shift else 100 for one in found] == [100, 20, 20]


def test_two_rules_that_move_to_one_backend_need_their_sum() -> None:
    """And never more than all that there is."""
    before = {"one": targets(a=1), "two": targets(a=1)}
    shift = msgspec.structs.replace(SHIFT, before=before)
    wanted = {"one": targets(b=1), "two": targets(b=1)}

    def floors(**seconds: float) -> object:
        now = replace(scene(0), ended=counted(**seconds))
        return advance(shift, wanted, now, now_s=NOW_S, policy="desk").floors

    assert floors(one=100, two=100, default=800) == {"b": 2}
    assert floors(one=500, two=500) == {"b": 4}


def test_of_few_requests_the_upper_end_counts() -> None:
    """Below thirty nothing is known; from there on the deviation shrinks with their number."""

    def part(requests: int) -> float:
        ended = {("p", "x", "a"): (requests, 10.0), ("p", "y", "a"): (requests, 30.0)}
        return part_of(ended, policy="p", rule="x", backends={"a"})

    assert part(10) == 1.0
    assert 0.25 < part(10_000) < part(100) < part(20) < 0.4
    assert part_of({}, policy="p", rule="x", backends={"a"}) == 1.0
    ended = {("p", "y", "a"): (50, 5.0), ("p", "x", "elsewhere"): (50, 5.0)}
    assert part_of(ended, policy="p", rule="x", backends={"a"}) == 0.0


def test_what_ended_is_counted_from_router_to_router() -> None:
    """A router that began anew has fewer: it counts nothing until it has more."""
    first = {"p": {"x": {"a": (10, 5.0)}}}
    last = {"p": {"x": {"a": (30, 25.0), "b": (2, 1.0)}}}
    again = {"p": {"x": {"a": (3, 1.0)}}}

    assert ended_between([(first, last), ({}, first), (last, again)]) == {
        ("p", "x", "a"): (30, 25.0),
        ("p", "x", "b"): (2, 1.0),
    }


def test_floors_outlive_the_shift_for_the_stable_window() -> None:
    """Until the load is measured where it is now; then nothing is kept."""
    done = advance(SHIFT, WANTED, scene(4), now_s=NOW_S).shift
    assert done is not None
    assert (done.share, done.before) == (100, {})
    for after_s, left in ((59, {"b": 4}), (61, {}), (-61, {})):
        found = advance(done, WANTED, scene(0), now_s=NOW_S + after_s)
        assert (found.floors, found.shift is None) == (left, not left)


def test_nothing_is_written_that_is_no_news() -> None:
    """A load that moves a little, replicas that are not enough for a step."""
    stored = advance(SHIFT, WANTED, scene(0), now_s=NOW_S).shift
    assert stored is not None
    assert stored.floors == {"b": 4}
    for load in (14, 17, 20):
        assert advance(stored, WANTED, scene(0, load=load), now_s=NOW_S + 9).shift is stored


def test_ten_minutes_without_a_step_are_too_long() -> None:
    """A step begins them anew; what is done is never late."""
    late_s = NOW_S + DEADLINE_S
    stepped = msgspec.structs.replace(SHIFT, share=50, stepped_s=NOW_S + 60)

    assert is_overdue(SHIFT, now_s=late_s)
    assert not is_overdue(SHIFT, now_s=late_s - 1)
    assert not is_overdue(stepped, now_s=late_s)
    assert not is_overdue(msgspec.structs.replace(SHIFT, share=100), now_s=late_s)


NAMES = st.sampled_from("abcd")
LISTS = st.dictionaries(NAMES, st.integers(0, 1000), min_size=1).map(lambda w: targets(**w))
LOADS = st.none() | st.dictionaries(
    NAMES, st.builds(Load, st.floats(0, 500), st.floats(0, 500)), max_size=4
)
CAPACITIES = st.builds(
    Capacity,
    ready=st.none() | st.integers(0, 20),
    target_requests=st.floats(0.5, 64),
    least=st.integers(0, 3),
    most=st.integers(3, 20),
)
SCENES = st.builds(
    Scene,
    scaled=st.dictionaries(NAMES, CAPACITIES, max_size=4),
    gone=st.frozensets(NAMES, max_size=1),
    loads=LOADS,
    unreached=st.frozensets(NAMES, max_size=1),
    ended=st.dictionaries(
        st.tuples(st.just(""), st.sampled_from(["default", "other"]), NAMES),
        st.tuples(st.integers(1, 1000), st.floats(0, 1000)),
        max_size=8,
    ),
)


@given(LISTS, LISTS, st.lists(SCENES, max_size=8))
@pytest.mark.slow
def test_a_shift_never_goes_back(
    before: tuple[Target, ...], wanted: tuple[Target, ...], scenes: list[Scene]
) -> None:
    """Whatever is seen: the share grows from 0 to 100, and floors stay within every maximum."""
    shift: Shift | None = msgspec.structs.replace(SHIFT, before={"default": before})
    share = 0
    for number, now in enumerate(scenes):
        if shift is None:
            break
        found = advance(shift, {"default": wanted}, now, now_s=NOW_S + number)
        new = found.shift.share if found.shift else 100
        assert share <= new <= 100
        if found.shift is not shift and found.shift is not None:
            fresh = {n: c for n, c in found.shift.floors.items() if c != shift.floors.get(n)}
            assert all(1 <= c <= now.scaled[n].most for n, c in fresh.items())
        share, shift = new, found.shift


@given(LISTS, LISTS, SCENES, st.integers(0, 99))
def test_all_of_it_is_done_when_all_that_can_be_is_ready(
    before: tuple[Target, ...], wanted: tuple[Target, ...], now: Scene, share: int
) -> None:
    """In one step, from anywhere, if the load is known."""
    ready = {name: replace(one, ready=one.most) for name, one in now.scaled.items()}
    shift = msgspec.structs.replace(SHIFT, before={"default": before}, share=share)
    now = Scene(scaled=ready, gone=now.gone, loads=now.loads or {})
    found = advance(shift, {"default": wanted}, now, now_s=NOW_S).shift

    assert found is None or found.share == 100


@given(LISTS, LISTS, st.integers(0, 100))
def test_weights_in_between_are_in_between(
    before: tuple[Target, ...], wanted: tuple[Target, ...], percent: int
) -> None:
    """Each backend's part lies between its two ends, within what integers can say."""
    old, new = fractions(before), fractions(wanted)
    if not old or not new:
        return
    found = fractions(blended(before, wanted, percent))
    rounding = 8 / PARTS
    for name in {*old, *new}:
        ends = sorted((old.get(name, 0.0), new.get(name, 0.0)))
        assert ends[0] - rounding <= found.get(name, 0.0) <= ends[1] + rounding
    assert {0: old.keys(), 100: new.keys()}.get(percent, found.keys()) == found.keys()


def test_what_is_stored_is_read_back() -> None:
    """And what is no such thing counts as none."""
    assert load_shifts(dump_shifts({"desk": SHIFT})) == {"desk": SHIFT}
    for text in (b"", b"\xff", b"[]", b'{"desk": 3}', b"[" * 100_000):
        assert load_shifts(text) == {}


def test_only_so_many_shifts_are_stored_as_fit() -> None:
    """The oldest of them: the others do not wait."""
    many = {
        f"p{n}": msgspec.structs.replace(SHIFT, since_s=NOW_S + n, revision="r" * 200)
        for n in range(20)
    }
    kept = fitting(many, most_bytes=2_000)

    assert 0 < len(kept) < 20
    assert list(kept) == [f"p{n}" for n in range(len(kept))]
    assert len(dump_shifts(kept)) <= 2_000
