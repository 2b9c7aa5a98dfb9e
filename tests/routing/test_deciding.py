"""Which backends answer a request, in which order, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.analysis import Analysis, Prompt, Task, analyze
from pointsman.api.table import (
    Backend,
    Fallback,
    HeaderMatch,
    Match,
    PolicyBlob,
    Route,
    ServiceAddress,
    TableError,
    Target,
)
from pointsman.routing import CompiledPolicy, RequestFacts, compile_policy, decide, first_choices


def backend(name: str, **fields: object) -> Backend:
    """A backend behind a Service of its name, with tools unless said otherwise."""
    values: dict[str, object] = {"capabilities": ("Tools",), **fields}
    address = ServiceAddress(namespace="ns", service=name, port=8000)
    return Backend(name=name, model=name, address=address, **values)  # type: ignore[arg-type]


def policy(*routes: Route, backends: tuple[Backend, ...] = ()) -> CompiledPolicy:
    """A compiled policy `p` for model `auto` over the backends a, b and c."""
    known = {name: backend(name) for name in "abc"} | {one.name: one for one in backends}
    blob = PolicyBlob(
        version=1,
        namespace="ns",
        name="p",
        revision="p-1",
        model_names=("auto",),
        routes=routes,
        backends=known,
    )
    return compile_policy(blob, "digest")


def to(name: str, *targets: str, chain: tuple[str, ...] = (), match: Match | None = None) -> Route:
    """A route named `name` to targets of equal weight, then a chain."""
    return Route(
        name=name,
        targets=tuple(Target(backend=target) for target in targets),
        match=match,
        fallback=Fallback(chain=chain) if chain else None,
    )


def facts(
    task: Task = Task.CHAT, *, decided: bool = True, tokens: int = 10, **others: object
) -> RequestFacts:
    """An English request of `tokens` tokens."""
    analysis = Analysis(
        task=task,
        decided=decided,
        language=str(others.pop("language", "en")),
        context_tokens=tokens,
        confidence=0.9,
        evidence=(),
    )
    return RequestFacts(analysis=analysis, **others)  # type: ignore[arg-type]


def names(taken: CompiledPolicy, given_facts: RequestFacts, dice: float = 0.0) -> list[str]:
    """Candidates in the order of trying."""
    return [one.name for one in decide(taken, given_facts, dice=dice).candidates]


def test_the_first_rule_that_matches_decides() -> None:
    """Two rules fit a coding request; the earlier one has it."""
    both = policy(
        to("one", "b", match=Match(tasks=("Coding",))),
        to("two", "c", match=Match(tasks=("Coding", "Chat"))),
        to("default", "a"),
    )

    assert decide(both, facts(Task.CODING), dice=0).route.route.name == "one"
    assert decide(both, facts(Task.CHAT), dice=0).route.route.name == "two"
    assert decide(both, facts(Task.DOCUMENT), dice=0).route.route.name == "default"


def test_a_task_that_could_not_be_told_matches_no_rule() -> None:
    """An undecided request goes to the default, whatever its stand-in task says."""
    rules = policy(to("chat", "b", match=Match(tasks=("Chat",))), to("default", "a"))

    assert names(rules, facts(Task.CHAT, decided=False)) == ["a"]


@pytest.mark.parametrize(
    ("match", "fits", "fails"),
    [
        (Match(languages=("de",)), {"language": "de"}, {"language": "fr"}),
        (Match(min_tokens=100), {"tokens": 100}, {"tokens": 99}),
        (Match(max_tokens=100), {"tokens": 100}, {"tokens": 101}),
        (
            Match(headers=(HeaderMatch(name="X-Tier", value="gold"),)),
            {"headers": {"x-tier": "gold"}},
            {"headers": {"x-tier": "golden"}},
        ),
        (
            Match(headers=(HeaderMatch(name="x-tier", value="go", type="Prefix"),)),
            {"headers": {"x-tier": "gold"}},
            {"headers": {}},
        ),
        (Match(metadata={"team": "x"}), {"metadata": {"team": "x"}}, {"metadata": {"team": "y"}}),
    ],
)
def test_every_condition_can_hold_and_fail(
    match: Match, fits: dict[str, object], fails: dict[str, object]
) -> None:
    """Each kind of condition, on both sides of its edge."""
    rules = policy(to("rule", "b", match=match), to("default", "a"))

    assert names(rules, facts(**fits)) == ["b"]  # type: ignore[arg-type]
    assert names(rules, facts(**fails)) == ["a"]  # type: ignore[arg-type]


def test_all_conditions_of_a_rule_must_hold() -> None:
    """A coding request in the wrong language is not taken."""
    rules = policy(
        to("rule", "b", match=Match(tasks=("Coding",), languages=("de",))), to("default", "a")
    )

    assert names(rules, facts(Task.CODING, language="de")) == ["b"]
    assert names(rules, facts(Task.CODING, language="en")) == ["a"]


def test_weights_share_out_the_dice() -> None:
    """Weights 3 and 1: three quarters of the dice lead to the first; weight 0 gets nothing."""
    split = policy(
        Route(
            name="default",
            targets=(
                Target(backend="a", weight=3),
                Target(backend="c", weight=0),
                Target(backend="b", weight=1),
            ),
        )
    )
    taken = [names(split, facts(), dice=i / 1000)[0] for i in range(1000)]

    assert (taken.count("a"), taken.count("b"), taken.count("c")) == (750, 250, 0)


def test_the_chain_never_tries_the_target_twice() -> None:
    """With two targets, the chain may name one of them; it is left out where it was first."""
    route = policy(to("default", "a", "b", chain=("b", "c")))

    assert names(route, facts(), dice=0.0) == ["a", "b", "c"]
    assert names(route, facts(), dice=0.9) == ["b", "c"]


def test_a_request_that_does_not_fit_goes_down_the_chain() -> None:
    """Prompt and asked-for answer together must fit; the reason is kept."""
    small = backend("a", context_window=1000)
    route = policy(to("default", "a", chain=("b",)), backends=(small,))
    decision = decide(route, facts(tokens=900, max_output_tokens=101), dice=0)

    assert [one.name for one in decision.candidates] == ["b"]
    assert decision.skipped[0].context_window
    assert names(route, facts(tokens=900, max_output_tokens=100)) == ["a", "b"]


def test_without_fallback_on_context_window_nothing_follows() -> None:
    """`on` decides: a route that falls back on errors alone does not spill long requests."""
    small = backend("a", context_window=1000)
    route = Route(
        name="default",
        targets=(Target(backend="a"),),
        fallback=Fallback(chain=("b",), on=("Error",)),
    )

    assert names(policy(route, backends=(small,)), facts(tokens=5000)) == []


def test_backends_without_the_capability_are_skipped() -> None:
    """Tools and images need a model that can."""
    plain, seeing = backend("a", capabilities=()), backend("b", capabilities=("Tools", "Vision"))
    route = policy(to("default", "a", chain=("b",)), backends=(plain, seeing))

    assert names(route, facts(tools=True)) == ["b"]
    assert names(route, facts(images=True)) == ["b"]
    assert names(route, facts()) == ["a", "b"]


@pytest.mark.parametrize(
    ("less", "asked"),
    [
        ({"capabilities": ()}, facts(tools=True)),
        ({"context_window": 1000}, facts(tokens=5000)),
    ],
    ids=["capability", "window"],
)
def test_of_several_targets_one_that_can_is_drawn(
    less: dict[str, object], asked: RequestFacts
) -> None:
    """The share of who cannot goes to the others by their weights; it refused so many before."""
    weights = {"a": 5, "b": 3, "c": 1}
    targets = tuple(Target(backend=name, weight=weight) for name, weight in weights.items())
    split = policy(Route(name="default", targets=targets), backends=(backend("a", **less),))
    taken = [names(split, asked, dice=i / 900) for i in range(900)]

    assert (taken.count(["b"]), taken.count(["c"])) == (675, 225)
    assert [names(split, facts(), dice=i / 9)[0] for i in range(9)] == [*"aaaaabbbc"]
    decision = decide(split, asked, dice=0, explain=True)
    assert {one.name for one in first_choices(decision, asked)} == {"b", "c"}
    assert [(one.backend, one.ahead) for one in decision.skipped] == [("a", False)]
    assert any(line.startswith("backend a: skipped, ") for line in decision.evidence)


def test_targets_that_all_cannot_leave_it_to_the_chain() -> None:
    """As with one target."""
    plain = (backend("a", capabilities=()), backend("b", capabilities=()))
    route = policy(to("default", "a", "b", chain=("c",)), backends=plain)
    for dice, left in ((0.0, "a"), (0.9, "b")):
        decision = decide(route, facts(tools=True), dice=dice)
        assert [one.name for one in decision.candidates] == ["c"]
        assert [(one.backend, one.ahead) for one in decision.skipped] == [(left, True)]
    assert [one.name for one in first_choices(decision, facts(tools=True))] == ["c"]


def test_the_evidence_says_why_each_rule_was_not_taken() -> None:
    """`pointsman explain` prints it; the request path never builds it."""
    rules = policy(to("code", "b", match=Match(tasks=("Coding",))), to("default", "a"))

    assert decide(rules, facts(Task.CHAT), dice=0, explain=True).evidence == (
        "rule code: task Chat is not in Coding",
        "rule default: taken",
    )
    assert decide(rules, facts(Task.CHAT), dice=0).evidence == ()


@given(
    dice=st.floats(0, 1, exclude_max=True),
    weights=st.lists(st.integers(0, 1_000_000), min_size=1, max_size=3),
)
def test_any_dice_choose_a_target_with_weight(dice: float, weights: list[int]) -> None:
    """No dice fall between two shares, and none lead to weight 0."""
    targets = tuple(Target(backend="abc"[i], weight=w) for i, w in enumerate(weights))
    chosen = names(policy(Route(name="default", targets=targets)), facts(), dice)

    assert [weights["abc".index(name)] > 0 for name in chosen] == [True] * (
        1 if any(weights) else 0
    )


@pytest.mark.parametrize(
    "routes",
    [
        (),
        (to("rule", "a", match=Match(tasks=("Chat",))),),
        (to("default", "a"), to("default", "b")),
        (to("default", "nobody"),),
        (to("default", "a", chain=("nobody",)),),
    ],
)
def test_a_blob_that_does_not_hold_together_is_refused(routes: tuple[Route, ...]) -> None:
    """No default, two defaults, and names that resolve to nothing."""
    with pytest.raises(TableError):
        policy(*routes)


def test_a_window_is_counted_in_the_tokens_of_its_own_vocabulary() -> None:
    """The same Hindi text fits the model whose vocabulary has its words."""
    text = "नगर परिषद ने पुराने पुल को बंद करने का निर्णय लिया। " * 40
    analysis = analyze(Prompt(user=text, total_chars=len(text)))
    window = analysis.context_tokens
    qwen3 = backend("qwen3-8b", context_window=window, family="Qwen")
    qwen35 = backend("qwen3.5-27b", context_window=window, family="Qwen")
    rules = policy(to("all", "qwen3-8b", chain=("qwen3.5-27b",)), backends=(qwen3, qwen35))
    told = decide(rules, RequestFacts(analysis=analysis), dice=0)
    assert [one.name for one in told.candidates] == ["qwen3.5-27b"]
    assert [skip.context_window for skip in told.skipped] == [True]
