"""The further conditions of rules, several matches, and expressions: one request, one rule."""

from typing import Any

import pytest

from pointsman.analysis import Analysis, Complexity, Domain, Task
from pointsman.api.table import Match, Route, TableError, Target
from pointsman.routing import RequestFacts, decide
from tests.routing.test_deciding import policy, to


def request(**fields: Any) -> RequestFacts:
    """Fields of the analysis or of the facts; what is not given is as plain as can be."""
    about: dict[str, Any] = {
        "task": Task.CHAT,
        "decided": True,
        "language": "en",
        "context_tokens": 10,
        "confidence": 0.5,
        "evidence": (),
    }
    ours = {name: fields.pop(name) for name in list(fields) if name in Analysis.__struct_fields__}
    also = {name: ours[name] for name in ("tools", "images") if name in ours}
    return RequestFacts(analysis=Analysis(**about | ours), **fields | also)


def rule_of(match: Match | tuple[Match, ...], facts: RequestFacts) -> str:
    """The rule that decides, of one rule and the default."""
    ways = match if isinstance(match, tuple) else (match,)
    rule = Route(name="rule", targets=(Target(backend="b"),), matches=ways)
    taken = policy(rule, to("default", "a"))
    return decide(taken, facts, dice=0.0).route.route.name


@pytest.mark.parametrize(
    ("match", "yes", "no"),
    [
        (
            Match(complexities=("Complex", "Moderate")),
            request(complexity=Complexity.COMPLEX),
            request(complexity=Complexity.SIMPLE),
        ),
        (
            Match(domains=("Law",)),
            request(domain=Domain.LAW),
            request(domain=Domain.MEDICINE),
        ),
        (Match(min_turns=3, max_turns=5), request(turns=3), request(turns=6)),
        (Match(min_turns=3), request(turns=300), request(turns=2)),
        (Match(max_turns=0), request(turns=0), request(turns=1)),
        (Match(tools=True), request(tools=True), request()),
        (Match(tools=False), request(), request(tools=True)),
        (Match(images=False), request(), request(images=True)),
        (Match(json_mode=True), request(json_mode=True), request()),
        (
            Match(expression="request.team == 'x' && request.caller != ''"),
            request(team="x", caller="y"),
            request(team="x"),
        ),
        (
            Match(expression="request.task == ''"),
            request(decided=False),
            request(),
        ),
        (
            Match(tasks=("Coding",), expression="request.turns > 1"),
            request(task=Task.CODING, turns=2),
            request(task=Task.CHAT, turns=2),
        ),
        (
            Match(expression="request.maxOutputTokens > 9 || request.headers.a == 'b'"),
            request(headers={"a": "b"}),
            request(headers={"a": "c"}),
        ),
    ],
)  # fmt: skip
def test_a_condition_holds_or_does_not(match: Match, yes: RequestFacts, no: RequestFacts) -> None:
    """Bounds belong to a range; true and false both ask for something."""
    assert rule_of(match, yes) == "rule"
    assert rule_of(match, no) == "default"


def test_any_of_several_matches_is_enough() -> None:
    """Within each of them, all conditions must hold."""
    ways = (Match(tasks=("Coding",), languages=("de",)), Match(tools=True))
    assert rule_of(ways, request(task=Task.CODING, language="de")) == "rule"
    assert rule_of(ways, request(tools=True)) == "rule"
    assert rule_of(ways, request(task=Task.CODING)) == "default"


def test_the_first_rule_decides_whatever_its_matches_are() -> None:
    """Order in the list, nothing else."""
    first = Route(
        name="first",
        targets=(Target(backend="a"),),
        matches=(Match(tasks=("Coding",)), Match(expression="request.turns == 1")),
    )
    second = to("second", "b", match=Match(tasks=("Chat",)))
    taken = policy(first, second, to("default", "c"))
    assert decide(taken, request(), dice=0.0).route.route.name == "first"
    assert decide(taken, request(turns=2), dice=0.0).route.route.name == "second"


def test_an_expression_that_cannot_be_told_is_named_and_does_not_hold() -> None:
    """Its rule is in the decision, for the metric; with explain, the evidence has the reason."""
    rule = to("gold", "b", match=Match(expression="request.headers['x-tier'] == 'gold'"))
    taken = policy(rule, to("default", "a"))
    decision = decide(taken, request(), dice=0.0, explain=True)
    assert (decision.route.route.name, decision.undetermined) == ("default", ("gold",))
    assert decision.evidence[0].startswith("rule gold: its expression could not be told: ")
    assert "x-tier" in decision.evidence[0]
    assert decide(taken, request(), dice=0.0).undetermined == ("gold",)
    told = decide(taken, request(headers={"x-tier": "tin"}), dice=0.0, explain=True)
    assert (told.undetermined, told.evidence[0]) == ((), "rule gold: its expression is false")


@pytest.mark.parametrize(
    ("match", "evidence"),
    [
        (Match(complexities=("Complex",)), "complexity is Moderate, not Complex"),
        (Match(domains=("Law", "Finance")), "domain is General, not Finance or Law"),
        (Match(min_turns=2), "turns is 1, not 2 to any"),
        (Match(tools=True), "tools is not there"),
        (Match(json_mode=True), "JSON mode is not there"),
    ],
)
def test_the_evidence_says_which_condition_failed(match: Match, evidence: str) -> None:
    """For explain and the audit."""
    taken = policy(to("rule", "b", match=match), to("default", "a"))
    decision = decide(taken, request(), dice=0.0, explain=True)
    assert decision.evidence[0] == f"rule rule: {evidence}"


@pytest.mark.parametrize(
    ("match", "text", "headers"),
    [
        (Match(tools=True), False, False),
        (Match(images=False), True, False),
        (Match(json_mode=True), True, False),
        (Match(min_turns=2), True, False),
        (Match(complexities=("Simple",)), True, False),
        (Match(domains=("Law",)), True, False),
        (Match(metadata={"a": "b"}), False, False),
        (Match(expression="request.metadata.a == 'b' && request.tools"), False, False),
        (Match(expression="request.maxOutputTokens > 1 && request.caller == 'a'"), False, False),
        (Match(expression="'a' in request.headers"), False, True),
        (Match(expression="has(request.headers.a)"), False, True),
        *((Match(expression=f"request.{name} == 'a'"), True, False)
          for name in ("task", "complexity", "domain", "language")),
        (Match(expression="request.contextTokens > 1"), True, False),
        (Match(expression="request.confidence > 0.5"), True, False),
        (Match(expression="request.images || request.tools"), True, False),
    ],
)  # fmt: skip
def test_only_what_a_rule_asks_for_is_read(match: Match, text: bool, headers: bool) -> None:
    """A policy whose rules ask for no text lets the router leave it alone."""
    taken = policy(to("rule", "b", match=match), to("default", "a"))
    assert (taken.reads_text, taken.reads_headers) == (text, headers)


def test_a_policy_with_a_bad_expression_is_refused() -> None:
    """The router keeps what it has and says why."""
    with pytest.raises(TableError, match=r"expression 'request\.tsk == 1': column 8"):
        policy(to("rule", "b", match=Match(expression="request.tsk == 1")), to("default", "a"))
