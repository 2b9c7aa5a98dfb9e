"""The simulation of endpoint choice, and what it promises of the default."""

import random

import pytest

from tests.sim.balancing.__main__ import DEFAULT, compare, lost
from tests.sim.balancing.contenders import Random
from tests.sim.balancing.fleet import Engine, play
from tests.sim.balancing.traffic import Request, conversations, paced, short
from tests.sim.scaling.traces import Trace, of


def _trace(count: int, seed: int = 1) -> Trace:
    dice = random.Random(seed)
    rows, at_s = [], 0.0
    for _ in range(count):
        at_s += dice.expovariate(5.0)
        rows.append((at_s, dice.randint(50, 3000), dice.randint(20, 300)))
    return of("made", rows)


def test_conversations_are_made_of_rows_that_fit() -> None:
    """No row is lost or changed; what is shared was said before, in the same conversation."""
    trace = _trace(800)
    found = conversations(trace)
    assert [each.context_tokens for each in found] == trace.context_tokens
    before: dict[int, Request] = {}
    for each in found:
        if each.shared_tokens:
            last = before[each.conversation]
            assert each.shared_tokens == last.context_tokens + last.generated_tokens
            assert each.shared_tokens < each.context_tokens
            assert each.at_s - last.at_s >= 5
        else:
            assert each.conversation not in before
        before[each.conversation] = each
    assert len(before) < len(found)


def test_pace_changes_times_alone() -> None:
    """So many a second, in the same order."""
    found = short(_trace(800))
    timed = paced(found, 20.0)
    assert timed[-1].at_s == pytest.approx(len(found) / 20.0)
    assert [each.context_tokens for each in timed] == [each.context_tokens for each in found]


def test_a_server_reads_once_what_its_cache_holds() -> None:
    """By hand: 1,000 tokens take a second, then 100 more a tenth of one."""
    engine = Engine(slots=1, prefill_tokens_s=1000, token_s=0.01, cache_tokens=5000)
    talk = [Request(0.0, 1, 1000, 0, 50), Request(10.0, 1, 1150, 1050, 50)]
    found = play(talk, [Random(1, 1)], 1, engine, seed=1)
    assert found.first_s == pytest.approx([1.0, 0.1])
    assert found.total_s == pytest.approx([2.0, 1.1])
    assert found.hit_share == 1.0


def test_a_full_server_makes_others_wait_and_a_full_cache_forgets() -> None:
    """One slot, and room for one conversation."""
    engine = Engine(slots=1, prefill_tokens_s=1000, token_s=0.01, cache_tokens=1500)
    talk = [Request(0.0, 1, 1000, 0, 50), Request(0.5, 2, 1000, 0, 50),
            Request(10.0, 1, 1150, 1050, 50)]  # fmt: skip
    found = play(talk, [Random(1, 1)], 1, engine, seed=1)
    assert found.first_s == pytest.approx([1.0, 2.5, 1.15])
    assert found.hit_share == 0.0


@pytest.mark.slow
def test_the_default_finds_prefixes_and_loses_nothing_on_short_prompts() -> None:
    """On generated lengths, so that it holds where the recording is not."""
    trace = _trace(4000)
    rows = compare("conversations", conversations(trace), 1, servers=6)
    by = {(row.load, row.way): row for row in rows}
    for load in ("half", "four fifths"):
        ours, two = by[load, DEFAULT], by[load, "better of two"]
        assert ours.hits_percent > 1.5 * two.hits_percent
        assert ours.first_p99_ms < 1.1 * two.first_p99_ms
        assert ours.total_p99_ms < 1.1 * two.total_p99_ms
    assert lost(compare("short", short(_trace(12_000)), 2, servers=6)) == []
