"""A run is bounded and its length is known before; slow peers are asked less, and it is said."""

from dataclasses import replace

import pytest

from tests.perf import peers
from tests.perf.loads import (
    LOADS,
    SKIPPED,
    SLOW_ROUNDS,
    SLOW_WARM_S,
    SLOW_WINDOW_S,
    flags,
    skipped,
    times_s,
)
from tests.perf.peers import Proxy
from tests.perf.plan import DEFAULT, QUICK, Plan, command, estimate_s
from tests.perf.router import Found, omitted

FULL = Plan(tuple(LOADS), DEFAULT, rounds=5, seconds=2.0, resting=3)


def test_the_default_run_takes_less_than_25_minutes_and_a_quick_one_less_than_one() -> None:
    """By its own estimate; LiteLLM and Portkey add some."""
    quick = Plan(("c32", "r500", "s256"), QUICK, rounds=2, seconds=0.6, resting=1)

    assert 10 * 60 < estimate_s(FULL) < 25 * 60
    assert estimate_s(quick) < 60
    assert estimate_s(FULL) < estimate_s(replace(FULL, proxies=(*DEFAULT, *peers.SLOW)))


def test_the_estimate_counts_each_window_once() -> None:
    """One round of one load twice as long as half of it, without starts."""
    one = Plan(("c32",), ("direct",), rounds=1, seconds=2.0, resting=9)

    assert estimate_s(replace(one, rounds=2)) == pytest.approx(2 * estimate_s(one))
    assert estimate_s(replace(one, seconds=3.0)) == pytest.approx(estimate_s(one) + 1.0)


def test_only_slow_peers_are_asked_less() -> None:
    """No fixed rate that they cannot keep, fewer rounds, and windows longer than their queue."""
    assert {load for load in LOADS if skipped(load, "litellm", 0)} == set(SKIPPED)
    assert skipped("c32", "portkey", SLOW_ROUNDS)
    assert not any(skipped(load, "plain", SLOW_ROUNDS) for load in LOADS)
    assert times_s("c256", "litellm", 2.0) == (SLOW_WARM_S, SLOW_WINDOW_S)
    assert times_s("c256", "plain", 2.0)[1] == 2.0


def test_texts_are_compared_of_those_that_write_json_anew_and_bytes_of_all_others() -> None:
    """Each with the header it wants."""
    slow = flags(LOADS["c1"], Proxy("portkey", 1, [], header="x-a: b"), 0.3, 2.0)
    ours = flags(LOADS["r500"], Proxy("plain", 1, []), 0.3, 2.0)

    assert (slow["lax"], slow["header"]) == ("true", "x-a: b")
    assert "lax" not in ours
    assert (ours["rate"], ours["long"]) == (500.0, 0.0)


def test_what_is_left_out_is_said_with_its_reason() -> None:
    """What is not there, slow peers that nobody asked for, their loads, and a run that was cut."""
    said = omitted(FULL, {}, Found([], [], "what comes after round 2: time was up"))

    assert "nginx: not there" in said
    assert any(each.startswith("litellm and portkey: with PEERS=all only") for each in said)
    assert said[-1] == "what comes after round 2: time was up"
    every = replace(FULL, proxies=(*DEFAULT, *peers.SLOW))
    there = dict.fromkeys((*DEFAULT, *peers.SLOW), peers.ours("plain"))
    assert omitted(every, there, Found([], [])) == tuple(
        f"{name} at {load}: {why}" for name in peers.SLOW for load, why in SKIPPED.items()
    )


def test_the_command_names_what_was_changed_and_no_place_of_a_file() -> None:
    """As one would type it again."""
    other = replace(FULL, loads=("c1", "c32"), seconds=0.5)

    assert command(FULL, FULL).endswith("make bench-router")
    assert command(other, FULL).endswith("tests.perf.router --loads c1,c32 --seconds 0.5")
