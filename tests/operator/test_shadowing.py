"""Rules that can never match: it is so for every request, by the router's own code."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.analysis import Analysis, AnalysisSettings, Complexity, Domain, Prompt, Task, analyze
from pointsman.api.tasks import LONG_CONTEXT_TOKENS
from pointsman.api.v1alpha1 import RoutingPolicy
from pointsman.api.v1alpha1.shadowing import never_matching
from pointsman.api.validation import parse
from pointsman.routing import RequestFacts, compile_policy, decide
from tests.operator.objects import blob_of, compiled, policy, route

_EXPRESSIONS = ("request.turns > 1", "request.tools")


def subsets(values: type[Task] | type[Complexity] | type[Domain]) -> st.SearchStrategy[list[str]]:
    few = [str(value) for value in values][:3]
    return st.lists(st.sampled_from(few), min_size=1, max_size=3, unique=True)


ranges = st.sampled_from([{"min": 0}, {"min": 1}, {"max": 1}, {"min": 1, "max": 2}, {"min": 2}])
headers = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["x-a", "X-A", "x-b"]),
            "value": st.sampled_from(["v", "vw", "w"]),
            "type": st.sampled_from(["Exact", "Prefix"]),
        }
    ),
    min_size=1,
    max_size=2,
)
_CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "task": subsets(Task),
    "complexity": subsets(Complexity),
    "domain": subsets(Domain),
    "language": st.just(["de"]),
    "contextTokens": ranges,
    "turns": ranges,
    "tools": st.booleans(),
    "images": st.booleans(),
    "jsonMode": st.booleans(),
    "headers": headers,
    "metadata": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), min_size=1),
    "expression": st.sampled_from(_EXPRESSIONS),
}


@st.composite
def matches(draw: st.DrawFn) -> dict[str, Any]:
    """One to three conditions: few enough that rules often hide each other."""
    names = draw(st.lists(st.sampled_from(sorted(_CONDITIONS)), min_size=1, max_size=3))
    found: dict[str, Any] = draw(st.fixed_dictionaries({name: _CONDITIONS[name] for name in names}))
    return found


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """Two to five rules, of which some differ from an earlier one by a condition only."""
    seen: list[dict[str, Any]] = []
    rules = []
    for number in range(draw(st.integers(2, 5))):
        ways = [
            {**draw(st.sampled_from([*seen, {}])), **draw(matches())}
            for _ in range(draw(st.integers(1, 2)))
        ]
        seen += ways
        match = {"match": ways[0]} if len(ways) == 1 else {"matches": ways}
        rules.append({"name": f"rule-{number}", **match, **route("a")})
    return policy(rules=tuple(rules))


def _few(values: type[Task] | type[Complexity] | type[Domain]) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(values)[:4])


requests = st.builds(
    lambda analysis, **facts: RequestFacts(
        analysis=analysis, tools=analysis.tools, images=analysis.images, **facts
    ),
    analysis=st.builds(
        Analysis,
        task=_few(Task),
        decided=st.booleans(),
        language=st.sampled_from(["de", "en"]),
        context_tokens=st.integers(0, 3),
        confidence=st.just(0.5),
        evidence=st.just(()),
        complexity=_few(Complexity),
        domain=_few(Domain),
        turns=st.integers(0, 3),
        tools=st.booleans(),
        images=st.booleans(),
        json_mode=st.booleans(),
    ),
    headers=st.dictionaries(st.sampled_from(["x-a", "x-b"]), st.sampled_from(["v", "vw", "w"])),
    metadata=st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
)


def test_a_prompt_has_the_task_long_context_by_its_length_alone() -> None:
    """What the warning about task and length stands on."""
    assert AnalysisSettings().long_context_tokens == LONG_CONTEXT_TOKENS
    code = "def f(x):\n    return x\n" * 3000
    found = [
        analyze(Prompt(user=code[:chars], total_chars=chars))
        for chars in range(20_000, 40_000, 500)
    ]
    for one in found:
        assert (one.task == Task.LONG_CONTEXT) is (one.context_tokens >= LONG_CONTEXT_TOKENS)
    assert {one.task == Task.LONG_CONTEXT for one in found} == {True, False}


@pytest.mark.slow
def test_no_request_is_routed_by_a_rule_that_is_said_never_to_match() -> None:
    """Random policies and requests from the same few values, so that both happen often."""
    seen = 0

    @settings(max_examples=150, deadline=None)
    @given(policies(), st.lists(requests, min_size=1, max_size=30))
    def law(written: dict[str, Any], asked: list[RequestFacts]) -> None:
        nonlocal seen
        spec = parse(RoutingPolicy, written).spec
        hidden = {
            spec.rules_[int(warning.path.split("[")[1].split("]")[0])].name
            for warning in never_matching(spec)
            if not warning.path.endswith("]")
        }
        seen += len(hidden)
        runs = compile_policy(blob_of(compiled(written)), "digest")
        for facts in asked:
            assert decide(runs, facts, dice=0.0).route.route.name not in hidden

    law()
    assert seen > 10, "it would hold of nothing, too"


@pytest.mark.parametrize(
    ("rules", "warnings"),
    [
        (({"tools": True}, {"tools": True, "task": ["Coding"]}), ["spec.rules[1].match"]),
        (({"tools": True}, {"tools": False}), []),
        (({"task": ["Coding"], "contextTokens": {"min": 8000}},), ["spec.rules[0].match"]),
        (({"task": ["Coding"], "contextTokens": {"min": 7999}},), []),
        (({"task": ["Coding", "LongContext"], "contextTokens": {"min": 9000}},), []),
        (({"task": ["LongContext"], "contextTokens": {"max": 7999}},), ["spec.rules[0].match"]),
        (({"task": ["LongContext", "Chat"], "contextTokens": {"max": 10}},), []),
        (({"complexity": ["Simple", "Moderate", "Complex"]}, {"turns": {"min": 1}}),
         ["spec.rules[1].match"]),
        (({"turns": {"min": 0}}, {"tools": True}), ["spec.rules[1].match"]),
        (({"turns": {"min": 2}}, {"turns": {"min": 3, "max": 4}}), ["spec.rules[1].match"]),
        (({"expression": "request.tools"}, {"expression": "request.tools", "tools": True}),
         ["spec.rules[1].match"]),
        (({"expression": "request.tools"}, {"tools": True}), []),
        (([{"tools": True}, {"images": True}], {"images": True}), ["spec.rules[1].match"]),
        (({"tools": True}, [{"tools": True}, {"images": True}]), ["spec.rules[1].matches[0]"]),
        (({"tools": True}, {"images": True}, [{"tools": True}, {"images": True}]),
         ["spec.rules[2].matches"]),
    ],
)  # fmt: skip
def test_a_hidden_match_is_found(rules: tuple[Any, ...], warnings: list[str]) -> None:
    """A rule none of whose matches is reached, and one of several that is not."""
    written = policy(
        rules=tuple(
            {
                "name": f"rule-{number}",
                **({"matches": match} if isinstance(match, list) else {"match": match}),
                **route("a"),
            }
            for number, match in enumerate(rules)
        )
    )
    spec = parse(RoutingPolicy, written).spec
    assert [warning.path for warning in never_matching(spec)] == warnings
    message = compiled(written).verdicts["desk"].accepted.message
    assert all(path in message for path in warnings)
