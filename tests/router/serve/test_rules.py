"""Rules with expressions and further conditions: what they see of a request to a router."""

from typing import Any

import pytest

from pointsman.api.table import Match, Route, Target
from tests.router.serve.world import World, chat


def to(name: str, *ways: Match) -> Route:
    return Route(name=name, targets=(Target(backend="small"),), matches=ways)


@pytest.fixture
async def rules(there: World) -> World:
    """A rule for each thing that a request can say, and the default."""
    await there.simulator("small")
    there.put(
        to("sheet", Match(json_mode=True)),
        to("gold", Match(expression="request.headers['x-tier'] == 'gold'")),
        to("team", Match(expression="has(request.metadata.team) && request.metadata.team == 'a'")),
        to("talk", Match(min_turns=3), Match(tools=True, expression="request.turns == 2")),
        to("default"),
    )
    return there


@pytest.mark.parametrize(
    ("rule", "body", "headers"),
    [
        ("sheet", {"response_format": {"type": "json_object"}}, {}),
        ("gold", {}, {"x-tier": "gold"}),
        ("team", {"metadata": {"team": "a"}}, {"x-tier": "tin"}),
        ("talk", {"messages": [{"role": "user", "content": "hi"}] * 3}, {}),
        ("default", {"messages": [{"role": "user", "content": "hi"}] * 2}, {"x-tier": ""}),
        ("default", {"metadata": {"team": "\ud800", "x": "y" * 100_000}}, {}),
    ],
)
async def test_a_rule_sees_what_a_request_says(
    rules: World, rule: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    """The body's format, headers, metadata and turns."""
    reply = await rules.ask(chat(**body), **headers)
    assert reply.status in (200, 400)  # not every JSON reader takes half a surrogate pair
    if reply.status == 200:
        assert reply.headers["x-pointsman-rule"] == rule


async def test_an_expression_that_cannot_be_told_is_counted_and_harms_nothing(rules: World) -> None:
    """The header is not there: the rule does not hold, the request is answered."""
    reply = await rules.ask()
    assert (reply.status, reply.headers["x-pointsman-rule"]) == (200, "default")
    assert rules.count("expression_errors_total", policy="desk", rule="gold") == 1
    await rules.ask(chat(), x_tier="gold")
    assert rules.count("expression_errors_total", policy="desk", rule="gold") == 1
