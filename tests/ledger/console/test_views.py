"""What pages show, from rows and the fleet: nothing is lost, bounds hold, stages tell the truth."""

import json
from typing import Any

import pytest

from pointsman.api.orders import Action
from pointsman.events.schema import Try
from pointsman.ledger.console.fleet.reading import backend_of, policy_of, seen_of
from pointsman.ledger.console.fleet.seen import Seen
from pointsman.ledger.console.views import cost, decisions, drift, flow, quality, words
from pointsman.ledger.console.views.rollouts import Course, course, courses
from pointsman.ledger.rows import SAID
from pointsman.ledger.tally import SPANS_MS
from tests.ledger.console.showing import aborted, awaiting, backend, fleet, policy
from tests.ledger.events import DAY_MS, NOW_MS, request

SPAN = SPANS_MS[0]


def seen() -> Seen:
    """Of the desk."""
    return seen_of(**fleet(NOW_MS))


def rolled(rollout: dict[str, Any] | None, **annotations: str) -> Course:
    """A policy with this rollout."""
    return course(policy_of(policy("desk", rollout, **annotations)), ())


def test_a_flow_adds_up_however_many_there_are() -> None:
    """Beyond the busiest ten of a column the others are one, and no request is lost."""
    rows = [(f"team-{n}", f"policy-{n % 3}", f"backend-{n}", 10 + n, n) for n in range(40)]
    found = flow.flow(rows, Seen(), 5.0)

    assert len(found.teams) == len(found.backends) == flow.MOST
    assert found.teams[-1].name == flow.OTHERS
    total = sum(row[3] for row in rows) / 5
    for part in (found.teams, found.policies, found.backends, found.asked, found.sent):
        assert sum(one.per_minute for one in part) == pytest.approx(total)
    assert found.errors == pytest.approx(sum(row[4] for row in rows) / (5 * total))


def test_backends_are_in_the_flow_before_anybody_asks_them() -> None:
    """With their state, replicas and queue."""
    found = flow.flow([], seen(), 5.0)
    nodes = {one.name: one for one in found.backends}

    assert nodes["qwen-light"].state == "ok"
    assert nodes["qwen-light"].note == "2/2 ready, queue 5"
    assert nodes["llama-old"].state == "bad"
    assert found.per_minute == 0


def test_bars_add_up_to_the_cost() -> None:
    """Nine backends are six parts of a bar; what has no baseline costs there what it cost."""
    begin, _ = cost.ends("24h", NOW_MS)
    rows = [
        (begin + n % 3 * 3_600_000, f"b{n}", "USD", 5, 100 + n, 0 if n else 900, 0 if n else 100)
        for n in range(9)
    ]
    found = cost.cost(rows, [], [], [], period="24h", currency="", now_ms=NOW_MS)

    assert len(found.backends) == cost.MOST
    assert found.backends[-1] == cost.OTHERS
    assert sum(bar.cost_nano for bar in found.bars) == found.cost_nano == sum(r[4] for r in rows)
    assert found.savings_nano == 800
    assert sum(bar.baseline_nano for bar in found.bars) == found.cost_nano + 800
    assert len(found.bars) == 24


def test_the_dearest_currency_is_shown_first() -> None:
    """Sums of two are never added."""
    begin, _ = cost.ends("7d", NOW_MS)
    rows = [(begin, "a", "EUR", 1, 5, 0, 0), (begin, "a", "USD", 1, 9, 0, 0)]
    asked = {"period": "7d", "now_ms": NOW_MS}
    assert cost.cost(rows, [], [], [], currency="", **asked).currencies == ("USD", "EUR")  # type: ignore[arg-type]
    assert cost.cost(rows, [], [], [], currency="EUR", **asked).cost_nano == 5  # type: ignore[arg-type]


def test_a_cell_of_a_heat_map_knows_how_sure_it_is() -> None:
    """Three ratings are no quality, and nobody's judgment is no zero."""
    rows = [("small", "coding", 3, 3_000_000), ("large", "chat", 400, 200_000_000)]
    found = quality.heat(rows, "ratings")
    cells = dict(zip(found.models, found.cells, strict=True))

    assert found.tasks == ("chat", "coding")
    large, small = cells["large"][0], cells["small"][1]
    assert cells["small"][0] is None
    assert small is not None
    assert large is not None
    assert (small.mean, small.n, small.few) == (1.0, 3, True)
    assert (large.mean, large.few) == (0.5, False)
    assert large.low < 0.5 < large.high
    assert small.low < 0.5, "three of three says little"


def test_drift_shows_what_changed_first() -> None:
    """With the detector's time, and points of backends that the fleet does not know."""
    rows = [
        ("llama-old", "golden", 1, NOW_MS - DAY_MS, 40, 20_000_000, 41),
        ("gone", "golden", 1, NOW_MS, 10, 9_000_000, 10),
    ]
    found = drift.watch(rows, seen(), NOW_MS - 7 * DAY_MS, NOW_MS)
    first, names = found.backends[0], [one.name for one in found.backends]

    assert first.name == "llama-old"
    assert (first.state, first.verdict) == ("bad", "Worse")
    assert first.points[0].mean == 0.5
    assert first.points[0].missing == 1
    assert first.since_ms is not None
    assert abs(first.since_ms - (NOW_MS - 13 * DAY_MS // 4)) < 1000
    assert names[-1] == "gone"


def test_a_rollout_that_waits_shows_where_and_who_may_go_on() -> None:
    """Done, waiting, later; approve, pause, promote, abort."""
    found = rolled(awaiting("desk"))

    states = [(one.name, one.state) for one in found.stages]
    assert states == [
        ("Replay", "done"), ("5 %", "done"), ("25 %", "waits"), ("50 %", "next"),
        ("Promoted", "next"),
    ]  # fmt: skip
    actions = [one.action for one in found.buttons]
    assert actions == [Action.APPROVE, Action.PAUSE, Action.PROMOTE, Action.ABORT]
    assert [one.grave for one in found.buttons] == [False, False, True, True]


@pytest.mark.parametrize(
    ("rollout", "states"),
    [
        ({"phase": "Promoted", "step": 2}, ["done"] * 5),
        ({"phase": "Aborted", "reason": "ReplayFailed", "step": 0},
         ["failed", "next", "next", "next", "next"]),
        ({"phase": "Aborted", "reason": "GuardrailFailed", "step": 2,
          "replay": {"verdict": "Pass"}},
         ["done", "done", "done", "failed", "next"]),
        ({"phase": "Progressing", "step": 0}, ["now", "next", "next", "next", "next"]),
        ({"phase": "Progressing", "step": 0, "weights": {"desired": 5, "verified": 0},
          "replay": {"verdict": "Error"}}, ["done", "now", "next", "next", "next"]),
        ({"phase": "Paused", "step": 1, "replay": {"verdict": "Pass"}},
         ["done", "done", "waits", "next", "next"]),
    ],
)  # fmt: skip
def test_each_phase_is_at_its_stage(rollout: dict[str, Any], states: list[str]) -> None:
    """Replay, three steps, promoted."""
    found = rolled({"revision": "desk-2", "steps": 3, **rollout})

    assert [one.state for one in found.stages] == states


def test_buttons_are_those_that_would_be_obeyed() -> None:
    """None while the operator is behind, or when it is over."""
    assert [one.action for one in rolled(aborted("desk")).buttons] == [Action.RETRY]
    assert rolled({"phase": "Promoted", "revision": "desk-2"}).buttons == ()
    assert rolled(None).buttons == ()
    paused = rolled(
        {"phase": "Paused", "revision": "desk-2"}, **{"pointsman.dev/rollout-paused": "true"}
    )
    assert paused.buttons[0].action is Action.RESUME
    late = policy("desk", awaiting("desk"))
    late["metadata"]["generation"] = 9
    assert course(policy_of(late), ()).buttons == ()


def test_what_needs_a_person_comes_first() -> None:
    """Then what goes on, then what is over, then the rest."""
    assert [one.policy.name for one in courses(seen())] == ["support", "search", "batch"]


@pytest.mark.parametrize(
    "item",
    [{}, {"metadata": None, "spec": [], "status": "x"}, {"status": {"conditions": [None, 3]}},
     {"status": {"rollout": {"weights": 3, "findings": [{"value": "x"}], "step": "2"}}},
     {"spec": {"rollout": {"steps": [{"weightPercent": True}]}}, "metadata": {"annotations": []}}],
)  # fmt: skip
def test_objects_of_another_version_are_read_as_far_as_they_go(item: dict[str, Any]) -> None:
    """Whatever is missing or of another shape."""
    backend_of(item)
    course(policy_of(item), ())


def test_a_backend_is_read_as_the_operator_writes_it() -> None:
    """Counts that nobody has are none, not zero."""
    found = backend_of(backend("hosted-gpt"))

    assert (found.kind, found.replicas, found.queue) == ("external", None, None)


def test_times_to_look_into_are_no_more_than_needed() -> None:
    """The newest first; of 5 minutes, neighbors are one."""
    times = [(9 * SPAN, 10), (8 * SPAN, 30), (3 * SPAN, 30), (SPAN, 500)]

    assert decisions.newest(times, 51) == [9 * SPAN, 8 * SPAN, 3 * SPAN]
    assert decisions.newest(times, 1) == [9 * SPAN]
    assert decisions.spans([9 * SPAN, 8 * SPAN, 3 * SPAN]) == [
        (8 * SPAN, 10 * SPAN), (3 * SPAN, 4 * SPAN)
    ]  # fmt: skip
    half, wanted = DAY_MS // 2, decisions.Wanted(from_ms=DAY_MS + 7, to_ms=DAY_MS + 9)
    assert decisions.within([0, DAY_MS], DAY_MS, half, wanted) == [DAY_MS]


def test_a_decision_shows_attempts_scores_and_opinions() -> None:
    """The one that answered is the last attempt; one that failed is told once."""
    event = request(1, left=(Try(backend="large", reason="Timeout"),))
    row = dict.fromkeys(SAID, "") | {
        "at_ms": NOW_MS, "score_micro": 750_000, "good": None, "caller": "app"
    }  # fmt: skip
    found = decisions.decided(event, [tuple(row[name] for name in SAID)])

    assert [(one.backend, one.state) for one in found.attempts] == [
        ("large", "bad"),
        ("small", "ok"),
    ]
    assert found.opinions[0].score == 0.75
    assert "backend large: tried and left, Timeout" in found.explained
    assert json.loads(decisions.plain(event))["decision"] == "d-1"


def test_words_say_small_numbers_as_small() -> None:
    """Nothing is rounded to nothing."""
    assert [words.rate(one) for one in (0, 0.01, 2.34, 1234)] == [
        "0/min", "<0.1/min", "2.3/min", "1,234/min"
    ]  # fmt: skip
    assert [words.percent(one) for one in (0.0, 0.0001, 0.125, 1.0)] == [
        "0 %", "<0.1 %", "12.5 %", "100 %"
    ]  # fmt: skip
    assert [words.milliseconds(one) for one in (12.4, 2345.0)] == ["12 ms", "2.35 s"]
