"""Requests of which a part was kept: decided as the router would, or unknown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.analysis import Analysis
from pointsman.api.matches import HeaderMatch, Match
from pointsman.api.table import Route, Target
from pointsman.api.tasks import Task
from pointsman.routing import RequestFacts, decide
from pointsman.routing.partial import Outcome, PartialPolicy
from tests.routing.learned import chooser
from tests.routing.test_cap import backend, facts
from tests.routing.test_cap import policy as capped
from tests.routing.test_choosing import policy as choosing
from tests.routing.test_deciding import policy as compiled

LEGAL = Match(headers=(HeaderMatch(name="x-team", value="legal"),))
CODE = Match(tasks=("Coding",))
LONG_CODE = Match(tasks=("Coding",), min_turns=3)


def route(name: str, to: str, *ways: Match) -> Route:
    return Route(name=name, targets=(Target(backend=to),), matches=ways)


def asks(task: Task = Task.CHAT, **facts: Any) -> RequestFacts:
    analysis = Analysis(task=task, decided=True, language="en", context_tokens=10,
                        confidence=1.0, evidence=())  # fmt: skip
    return RequestFacts(analysis=analysis, **facts)


def name(outcome: Outcome) -> str:
    assert not outcome.unknown
    return outcome.backend.name if outcome.backend else ""


def test_what_is_known_is_decided_as_by_a_router() -> None:
    """Task and tokens are kept."""
    policy = PartialPolicy(compiled(route("code", "b", CODE), route("default", "a")))
    assert name(policy.decide(asks(Task.CODING), 0.5)) == "b"
    assert name(policy.decide(asks(), 0.5)) == "a"


@pytest.mark.parametrize(
    ("match", "why"),
    [
        (LEGAL, "headers"),
        (Match(metadata={"tier": "gold"}), "metadata"),
        (Match(max_turns=1), "turns"),
        (Match(json_mode=True), "JSON mode"),
        (Match(expression="request.headers['x'] == 'y'"), "an expression on request.headers"),
        (Match(expression="request.maxOutputTokens > 5"), "an expression on request.maxOutput"),
    ],
)
def test_what_hangs_on_what_was_not_kept_is_unknown(match: Match, why: str) -> None:
    """And says what that is."""
    policy = PartialPolicy(compiled(route("it", "b", match), route("default", "a")))
    outcome = policy.decide(asks(), 0.5)
    assert (outcome.backend, outcome.rule) == (None, "")
    assert outcome.unknown.startswith(why)


def test_an_expression_on_what_is_kept_is_decided() -> None:
    """Callers and teams are."""
    match = Match(expression="request.team == 'blue' && request.contextTokens < 50")
    policy = PartialPolicy(compiled(route("it", "b", match), route("default", "a")))
    assert name(policy.decide(asks(team="blue"), 0.5)) == "b"
    assert name(policy.decide(asks(team="red"), 0.5)) == "a"


def test_it_is_known_where_every_way_leads_to_one_backend() -> None:
    """Whether the header was there does not matter then."""
    policy = PartialPolicy(compiled(route("legal", "a", LEGAL), route("default", "a")))
    outcome = policy.decide(asks(), 0.5)
    assert (name(outcome), outcome.rule) == ("a", "")


def test_a_known_condition_that_fails_decides() -> None:
    """A chat is no long chat about code, however many turns it had."""
    policy = PartialPolicy(compiled(route("long", "b", LONG_CODE), route("default", "a")))
    assert name(policy.decide(asks(), 0.5)) == "a"
    assert policy.decide(asks(Task.CODING), 0.5).unknown == "turns"


def test_a_recorded_rule_tells_what_held() -> None:
    """Of the rule itself, and that those before it did not."""
    old = PartialPolicy(
        compiled(route("legal", "b", LEGAL), route("code", "b", CODE), route("default", "a"))
    )
    new = PartialPolicy(compiled(route("law", "c", LEGAL), route("default", "a")))
    for rule, to in (("legal", "c"), ("code", "a"), ("default", "a")):
        assert name(new.decide(asks(), 0.5, old.told(rule))) == to
    assert old.told("nobody") is None
    other = PartialPolicy(
        compiled(route("law", "c", Match(headers=(HeaderMatch(name="x-team", value="tax"),))),
                 route("default", "a"))
    )  # fmt: skip
    assert other.decide(asks(), 0.5, old.told("legal")).unknown == "headers"


def test_what_a_predictor_chooses_is_unknown() -> None:
    """It reads the text."""
    policy = PartialPolicy(choosing(chooser({"a": 0.4, "b": 0.9}, mode="Apply")))
    assert policy.decide(asks(), 0.5).unknown == "the predictor reads texts"
    assert (
        name(
            PartialPolicy(choosing(chooser({"a": 0.4, "b": 0.9}, mode="Observe"))).decide(
                asks(), 0.5
            )
        )
        == "a"
    )


_MATCHES = st.builds(
    Match,
    tasks=st.sampled_from([(), ("Coding",), ("Chat",)]),
    headers=st.sampled_from([(), LEGAL.headers]),
    min_turns=st.sampled_from([None, 2]),
    json_mode=st.sampled_from([None, True, False]),
    expression=st.sampled_from(["", "request.turns > 2", "request.team == 'blue'"]),
)


@given(
    rules=st.lists(st.tuples(st.lists(_MATCHES, min_size=1, max_size=2), st.sampled_from("ab")),
                   max_size=4),
    task=st.sampled_from([Task.CODING, Task.CHAT]),
    hidden=st.tuples(st.booleans(), st.integers(1, 3), st.booleans()),
    team=st.sampled_from(["", "blue"]), dice=st.floats(0, 0.999),
)  # fmt: skip
def test_it_never_says_another_backend_than_the_router(
    rules: list[tuple[list[Match], str]],
    task: Task,
    hidden: tuple[bool, int, bool],
    *,
    team: str,
    dice: float,
) -> None:
    """Whatever was not kept: it says the same, or that it does not know; with the rule it knows."""
    routes = [route(f"r{n}", to, *ways) for n, (ways, to) in enumerate(rules)]
    policy = compiled(*routes, route("default", "a"))
    legal, turns, json_mode = hidden
    analysis = Analysis(task=task, decided=True, language="en", context_tokens=10, confidence=1.0,
                        evidence=(), turns=turns, json_mode=json_mode)  # fmt: skip
    headers = {"x-team": "legal"} if legal else {}
    truth = decide(policy, RequestFacts(analysis=analysis, headers=headers, team=team), dice=dice)
    partial = PartialPolicy(policy)
    kept = asks(task, team=team)
    outcome = partial.decide(kept, dice)
    assert outcome.unknown or outcome.backend == truth.candidates[0]
    told = partial.told(truth.route.route.name)
    assert told is not None
    assert partial.again(kept, dice, told).backend == truth.candidates[0]
    again = partial.decide(kept, dice, told)
    assert again.unknown or again.backend == truth.candidates[0]
    assert not again.unknown, "an unchanged policy knows all that it did itself"


def test_what_a_cost_cap_leaves_out_is_unknown() -> None:
    """The longest answer that was asked for is kept by no ledger."""
    found = PartialPolicy(capped(10**9, backend("large"), backend("small")))
    outcome = found.decide(facts(), 0.0)
    assert (outcome.rule, outcome.backend) == ("default", None)
    assert outcome.unknown == "maxCost reads maxTokens"
