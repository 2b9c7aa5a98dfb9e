"""Callers that wait take turns, and none fills a line alone."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.policy.fair import Line

CALLERS = st.sampled_from(["a", "b", "c", "d"])


def _go(line: Line[int]) -> list[int]:
    gone = []
    while line:
        gone.append(line.turn())
        line.discard(gone[-1])
    return gone


def test_who_sends_many_makes_another_wait_for_one() -> None:
    """A thousand of one, then two of another."""
    line: Line[int] = Line()
    for number in range(1000):
        line.add("a", number)
    line.add("b", 1000)
    line.add("b", 1001)
    assert _go(line)[:5] == [0, 1000, 1, 1001, 2]


def test_a_caller_alone_finds_a_queue() -> None:
    """First come, first gone."""
    line: Line[int] = Line()
    for number in range(10):
        line.add("a", number)
    line.discard(4)
    line.discard(4)
    assert [*line] == _go(line) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    with pytest.raises(StopIteration):
        line.first()


@pytest.mark.slow
@given(st.lists(CALLERS), st.data())
def test_turns_are_taken_and_nobody_is_lost(callers: list[str], data: st.DataObject) -> None:
    """Its iteration is that order; of one caller the oldest goes; shares differ by one at most."""
    line: Line[int] = Line()
    whose = dict(enumerate(callers))
    for number, caller in whose.items():
        line.add(caller, number)
    left = data.draw(st.sets(st.sampled_from(range(len(callers))))) if callers else set()
    for number in left:
        line.discard(number)
    told = [*line]
    gone = _go(line)
    assert told == gone
    assert sorted(gone) == sorted(whose.keys() - left)
    seen: dict[str, list[int]] = defaultdict(list)
    waiting = Counter(whose[number] for number in gone)
    for number in gone:
        seen[whose[number]].append(number)
        for other, count in waiting.items():
            if len(seen[other]) < count:  # who still waits has had as many turns, or one less
                assert len(seen[whose[number]]) <= len(seen[other]) + 1
    assert all(each == sorted(each) for each in seen.values())


@pytest.mark.slow
@given(st.lists(CALLERS, min_size=1), CALLERS)
def test_a_full_line_gives_places_to_who_has_few(callers: list[str], newcomer: str) -> None:
    """The newest of who has most goes, and never so that it has less than who takes the place."""
    line: Line[int] = Line()
    for number, caller in enumerate(callers):
        line.add(caller, number)
    counts = Counter(callers)
    displaced = line.displaced_by(newcomer)
    most = max(counts.values())
    if displaced is None:
        assert most <= counts[newcomer] + 1 or counts[newcomer] == most
    else:
        loser = callers[displaced]
        assert counts[loser] == most >= counts[newcomer] + 2
        assert displaced == max(n for n, caller in enumerate(callers) if caller == loser)


@given(st.lists(st.tuples(CALLERS, st.integers(-1, 1))), st.data())
def test_a_higher_priority_goes_first(adds: list[tuple[str, int]], data: st.DataObject) -> None:
    """Whoever came before; who is below of it waits for all of them, and `before` counts them."""
    line: Line[int] = Line()
    for number, (caller, rank) in enumerate(adds):
        line.add(caller, number, rank)
    left = data.draw(st.sets(st.sampled_from(range(len(adds))))) if adds else set()
    for number in left:
        line.discard(number)
        line.discard(number)
    for rank in (-1, 0, 1):
        above = [n for n, (_, each) in enumerate(adds) if each >= rank and n not in left]
        assert line.before(rank) == len(above)
    told = [*line]
    gone = _go(line)
    assert told == gone
    ranks = [adds[number][1] for number in gone]
    assert ranks == sorted(ranks, reverse=True)
    assert len(gone) == len(adds) - len(left)


@given(st.lists(st.tuples(CALLERS, st.integers(-1, 1)), min_size=1), CALLERS, st.integers(-1, 1))
def test_a_full_line_gives_up_its_lowest(
    adds: list[tuple[str, int]], newcomer: str, rank: int
) -> None:
    """Never one above the newcomer; the newest of who has most below."""
    line: Line[int] = Line()
    for number, (caller, each) in enumerate(adds):
        line.add(caller, number, each)
    lowest = min(each for _, each in adds)
    counts = Counter(caller for caller, each in adds if each == lowest)
    displaced = line.displaced_by(newcomer, rank)
    if lowest > rank:
        assert displaced is None
    elif lowest < rank:
        assert displaced is not None
        loser, of = adds[displaced]
        assert (of, counts[loser]) == (lowest, max(counts.values()))
        assert displaced == max(n for n, one in enumerate(adds) if one == (loser, lowest))
    elif displaced is not None:
        assert adds[displaced][1] == lowest


def test_an_empty_line_gives_up_nothing() -> None:
    """There is none to take it from."""
    assert Line[int]().displaced_by("a", 1) is None
