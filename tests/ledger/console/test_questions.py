"""What pages ask of either store: sums are those of the events, no decision is missed."""

import time

import pytest

from pointsman.events.schema import Event
from pointsman.ledger.console.fleet.seen import Seen
from pointsman.ledger.console.questions import (
    ask_cost,
    ask_decision,
    ask_decisions,
    ask_drift,
    ask_flow,
    ask_names,
    ask_quality,
)
from pointsman.ledger.console.views.decisions import PAGE, Wanted
from pointsman.ledger.contract import Store
from tests.ledger.events import DAY_MS, HOUR_MS, batch, feedback, request, window
from tests.ledger.test_evaluations import evaluation

NOW_MS = time.time_ns() // 1_000_000
OLD_MS = NOW_MS - 20 * DAY_MS


def take(store: Store, *events: Event) -> None:
    """As from one router."""
    store.ingest([batch(events)], NOW_MS)


def everything(store: Store, **asked: object) -> list[str]:
    """Ids of all pages, in their order."""
    wanted = Wanted(**({"from_ms": 0, "to_ms": NOW_MS + DAY_MS} | asked))  # type: ignore[arg-type]
    found: list[str] = []
    for _ in range(50):
        entries, after = ask_decisions(store, wanted)
        found += [one.decision for one in entries]
        if not after:
            return found
        at, _, decision = after.partition(":")
        names = {name: getattr(wanted, name) for name in Wanted.__slots__}
        names |= {"to_ms": int(at) + (1 if decision else 0)}
        wanted = Wanted(**names | {"after": (int(at), decision) if decision else None})
    raise AssertionError("pages have no end")


def test_every_decision_is_on_one_page(store: Store) -> None:
    """Many of one millisecond, and some of another day: newest first, none twice."""
    same = [request(n, at_ms=NOW_MS - 1000) for n in range(3 * PAGE)]
    late = [request(1000 + n, at_ms=OLD_MS + n * HOUR_MS, policy="rare") for n in range(7)]
    take(store, *late, *same)
    found = everything(store)

    assert len(found) == len(set(found)) == len(same) + len(late)
    assert found[-7:] == [f"d-{1006 - n}" for n in range(7)]


def test_decisions_are_found_by_what_they_are(store: Store) -> None:
    """Policy, backend, task, team, time, and whether there was an answer; all of it together."""
    take(
        store,
        request(1, at_ms=NOW_MS - HOUR_MS, policy="a", backend="x", task="chat"),
        request(2, at_ms=NOW_MS - 2 * HOUR_MS, policy="a", backend="y", team="green"),
        request(3, at_ms=NOW_MS - 3 * HOUR_MS, policy="b", outcome="Http500", status=502),
        request(4, at_ms=NOW_MS - 4 * HOUR_MS, policy="b", outcome="ClientGone", status=499),
    )
    assert everything(store, policy="a") == ["d-1", "d-2"]
    assert everything(store, backend="y") == ["d-2"]
    assert everything(store, policy="a", task="chat") == ["d-1"]
    assert everything(store, team="green", policy="b") == []
    assert everything(store, failed=True) == ["d-3"], "who left is no failure"
    assert everything(store, to_ms=NOW_MS - HOUR_MS * 3 // 2) == ["d-2", "d-3", "d-4"]
    assert ask_names(store)["policy"] == ["a", "b"]


def test_a_decision_is_told_with_what_people_said(store: Store) -> None:
    """None for one that is not there."""
    take(store, request(1, at_ms=NOW_MS), feedback(1, at_ms=NOW_MS, score=0.25))
    found = ask_decision(store, "d-1")

    assert found is not None
    assert found.opinions[0].score == 0.25
    assert ask_decision(store, "d-2") is None


def test_cost_is_the_bill_in_every_period(store: Store) -> None:
    """Bars, lines, teams and replicas say the same."""
    some = [
        request(n, at_ms=NOW_MS - n * HOUR_MS // 2, cost_nano=100 + n, baseline_nano=1000)
        for n in range(40)
    ]
    take(store, *some, window(0, from_ms=NOW_MS - NOW_MS % HOUR_MS))
    for period in ("24h", "7d", "30d", "90d"):
        found = ask_cost(store, period, "", NOW_MS)
        bill = sum(one.cost_nano for one in some)
        assert found.cost_nano == bill
        assert sum(bar.cost_nano for bar in found.bars) == bill
        assert sum(one.cost_nano for one in found.lines) == bill
        assert sum(one.cost_nano for one in found.teams) == bill
        assert found.savings_nano == 40 * 1000 - bill
        assert found.hosted_nano == 416_666_667


def test_the_flow_is_of_the_last_minutes(store: Store) -> None:
    """And no older."""
    take(store, request(1, at_ms=NOW_MS - 1000), request(2, at_ms=NOW_MS - HOUR_MS))
    found = ask_flow(store, Seen(), NOW_MS)

    assert found.per_minute * found.minutes == pytest.approx(1)
    assert [one.name for one in found.teams] == ["blue"]


def test_quality_is_of_ratings_or_of_golden_prompts(store: Store) -> None:
    """Each by itself."""
    take(
        store,
        request(1, at_ms=NOW_MS - 1000),
        feedback(1, at_ms=NOW_MS, score=0.5),
        evaluation(1, at_ms=NOW_MS - 1000, backend="judged", task="coding", score=1.0),
    )
    rated = ask_quality(store, "ratings", "24h", NOW_MS)
    judged = ask_quality(store, "golden", "24h", NOW_MS)

    assert (rated.models, judged.models) == (("small",), ("judged",))
    assert rated.cells[0][0] is not None
    assert rated.cells[0][0].mean == 0.5
    assert len(ask_drift(store, Seen(), "7d", NOW_MS).backends[0].points) == 1


def test_a_golden_prompt_counts_once_however_often_it_was_asked(store: Store) -> None:
    """Two prompts in ten runs are two, with the interval of two: a schedule makes nobody surer."""
    take(
        store,
        *(
            evaluation(number, at_ms=NOW_MS - 1000, backend="judged", task="coding",
                       prompt=f"p{number % 2}", run=number // 2, score=float(number % 4 != 1))
            for number in range(20)
        ),
    )  # fmt: skip
    ((cell,),) = ask_quality(store, "golden", "24h", NOW_MS).cells
    assert cell is not None
    assert (cell.n, cell.mean) == (2, 0.75)
    assert cell.low < 0.25


def test_an_empty_store_has_empty_answers(store: Store) -> None:
    """No error, nothing made up."""
    assert ask_decisions(store, Wanted(from_ms=0, to_ms=NOW_MS)) == ([], "")
    assert ask_cost(store, "30d", "", NOW_MS).requests == 0
    assert ask_flow(store, Seen(), NOW_MS).per_minute == 0
    assert ask_quality(store, "ratings", "30d", NOW_MS).models == ()
