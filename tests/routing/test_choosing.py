"""Whom the predictor chooses, when it does not, and what it never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.analysis import Analysis, AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.text import Text
from pointsman.api.predicting import Choice, Chooser, Trait
from pointsman.api.table import (
    Backend,
    Fallback,
    Match,
    PolicyBlob,
    Price,
    Route,
    ServiceAddress,
    TableError,
    Target,
)
from pointsman.routing import (
    CompiledPolicy,
    Decision,
    RequestFacts,
    compile_policy,
    decide,
    first_choices,
)
from pointsman.routing.choosing import Asked, choose
from tests.routing.learned import chooser, weights

CODE = "Write a Python function that reverses a linked list."
CHAT = "Hi there, how are you?"
CHEAP = (Price(input_pico=100_000, output_pico=400_000),)
DEAR = (Price(input_pico=1_000_000, output_pico=4_000_000),)


def backend(name: str, **fields: object) -> Backend:
    """A backend behind a Service of its name."""
    address = ServiceAddress(namespace="ns", service=name, port=8000)
    return Backend(name=name, model=name, address=address, **fields)  # type: ignore[arg-type]


def policy(predictor: Chooser, *routes: Route, **backends: Backend) -> CompiledPolicy:
    """Default: to a, then b; the backends are a, b, c and d."""
    found = {name: backends.get(name) or backend(name) for name in "abcd"}
    default = Route(name="default", targets=(Target(backend="a"),), fallback=Fallback(chain=("b",)))
    blob = PolicyBlob(
        namespace="ns", name="p", revision="p-1", model_names=("auto",),
        routes=(*routes, default), backends=found, predictor=predictor,
    )  # fmt: skip
    return compile_policy(blob, "digest")


def read(text: str, **changes: object) -> tuple[Analysis, Text]:
    """The analysis of a text, with these changes, and the reading behind it."""
    facts = observe(Prompt(user=text, total_chars=len(text)), AnalysisSettings())
    return replace(judge(facts), **changes), facts.text


def chosen(
    found: CompiledPolicy,
    text: str = CODE,
    *,
    stays: str = "",
    dice: float = 0.999,
    turns: int = 1,
    metadata: dict[str, str] | None = None,
    **asked: object,
) -> tuple[Decision, Choice]:
    """What becomes of a request."""
    analysis, reading = read(text, turns=turns)
    facts = RequestFacts(analysis=analysis, metadata=metadata or {}, **asked)  # type: ignore[arg-type]
    decision = decide(found, facts, dice=dice)
    assert found.chooser is not None
    return choose(found.chooser, decision, Asked(reading, facts, 0.0, dice, stays))


def order(decision: Decision) -> str:
    """The candidates' names."""
    return "".join(one.name for one in decision.candidates)


def test_the_best_answers_then_the_next_best_then_the_targets_that_are_no_candidates() -> None:
    """The fallback chain goes on with who is second."""
    found = policy(chooser({"b": 0.4, "c": 0.9, "d": 0.6}))
    decision, choice = chosen(found)
    assert order(decision) == "cdba"
    assert (choice.backend, choice.why, choice.abstained) == ("c", "Best", "")
    assert [(one.backend, one.quality) for one in choice.candidates] == [
        ("c", 0.9), ("d", 0.6), ("b", 0.4),
    ]  # fmt: skip


def test_in_mode_observe_the_targets_answer_and_the_choice_is_told() -> None:
    """As if there were no predictor."""
    decision, choice = chosen(policy(chooser({"b": 0.4, "c": 0.9}, mode="Observe")))
    assert order(decision) == "ab"
    assert (choice.mode, choice.backend) == ("Observe", "c")


def test_what_is_good_depends_on_the_task() -> None:
    """Learned of Coding, and so for Coding only."""
    learned = weights({"b": 0.8, "c": 0.7}, cells={"task:Coding": (-0.4, 0.0)})
    found = policy(chooser({"b": 0, "c": 0}, learned=learned))
    assert chosen(found, CODE)[1].backend == "c"
    assert chosen(found, CHAT)[1].backend == "b"


def test_a_rule_goes_to_its_targets_unless_it_says_choose() -> None:
    """What is at stake there is for people to decide."""
    match = Match(metadata={"stakes": "high"})
    rule = Route(name="high", targets=(Target(backend="d"),), match=match)
    found = policy(chooser({"b": 0.4, "c": 0.9}), rule)
    decision, choice = chosen(found, metadata={"stakes": "high"})
    assert order(decision) == "d"
    assert (choice.abstained, choice.backend) == ("Bypass", "")


def test_in_a_rule_that_says_choose_only_its_own_backends_are_candidates() -> None:
    """The best of all is none of them."""
    rule = Route(
        name="r", targets=(Target(backend="a"), Target(backend="d", weight=0)),
        fallback=Fallback(chain=("b",)), match=Match(metadata={"r": "1"}),
    )  # fmt: skip
    found = policy(chooser({"a": 0.3, "b": 0.5, "c": 0.9, "d": 0.8}, routes=("r",)), rule)
    decision, choice = chosen(found, metadata={"r": "1"})
    assert order(decision) == "ba"
    assert choice.backend == "b"
    assert chosen(found)[1].abstained == "Bypass"


@pytest.mark.parametrize(
    ("prefer", "floor", "best"),
    [("Quality", 0.0, "c"), ("Balanced", 0.0, "b"), ("Cost", 0.6, "b"), ("Cost", 0.81, "c"),
     ("Balanced", 0.81, "c"), ("Cost", 0.99, "c")],
)  # fmt: skip
def test_the_objective_decides(prefer: str, floor: float, best: str) -> None:
    """b costs a tenth of c and is ten points worse; above no candidate's quality the best leads."""
    found = policy(
        chooser({"b": 0.8, "c": 0.9}, prefer=prefer, quality_floor=floor),
        b=backend("b", prices=CHEAP), c=backend("c", prices=DEAR),
    )  # fmt: skip
    assert chosen(found)[1].backend == best


def test_prices_are_those_of_now_and_answers_as_long_as_they_were() -> None:
    """1,000 tokens of an answer, or what the request says at most."""
    prices = (*CHEAP, Price(from_s=1.0, output_pico=1))
    predictor = chooser({"b": 0.8}, traits={"b": Trait(output_tokens=1000)})
    found = policy(predictor, b=backend("b", prices=prices))
    tokens = read(CODE)[0].context_tokens
    assert chosen(found)[1].candidates[0].cost_nano == (100_000 * tokens + 400_000_000) // 1000
    capped = chosen(found, max_output_tokens=10)[1].candidates[0]
    assert capped.cost_nano == (100_000 * tokens + 4_000_000) // 1000
    assert capped.currency == "USD"


def test_costs_in_two_currencies_are_not_compared() -> None:
    """The better one answers, whatever its price."""
    euro = backend("c", prices=DEAR, currency="EUR")
    found = policy(chooser({"b": 0.8, "c": 0.9}, prefer="Balanced"),
                   b=backend("b", prices=CHEAP), c=euro)  # fmt: skip
    assert chosen(found)[1].backend == "c"


def test_what_costs_too_much_is_left_out_but_for_the_cheapest() -> None:
    """Each with its reason, and no way leads there, also not by a fallback."""
    backends = {name: backend(name, prices=DEAR) for name in "ac"} | {
        "b": backend("b", prices=CHEAP)
    }
    most = {"max_cost_nano": 200_000}
    found = policy(chooser({"a": 0.9, "b": 0.5, "c": 0.95}, **most), **backends)
    decision, choice = chosen(found)
    assert order(decision) == "b"
    assert [(one.backend, one.left_out != "") for one in choice.candidates] == [
        ("b", False), ("a", True), ("c", True),
    ]  # fmt: skip
    assert [skip.backend for skip in decision.skipped] == ["a", "c"]
    alone = policy(chooser({"b": 0.5, "c": 0.95}, max_cost_nano=1), **backends)
    assert chosen(alone)[1].backend == "b"


def test_who_lacks_what_is_needed_is_left_out() -> None:
    """A capability, or room in the context window."""
    found = policy(
        chooser({"b": 0.9, "c": 0.8, "d": 0.7}),
        b=backend("b", context_window=500), c=backend("c", capabilities=()),
        d=backend("d", capabilities=("Tools",)),
    )  # fmt: skip
    decision, choice = chosen(found, tools=True, max_output_tokens=1000)
    assert order(decision) == "d"
    assert choice.backend == "d"
    assert {skip.backend: skip.context_window for skip in decision.skipped} == {
        "a": False, "b": False, "c": False,
    }  # fmt: skip
    none = policy(chooser({"b": 0.9, "c": 0.8}))
    assert chosen(none, tools=True)[1].abstained == "NoCandidate"


def test_a_candidate_that_the_weights_do_not_know_is_left_out() -> None:
    """It came after the last fit."""
    predictor = chooser({"b": 0.9, "c": 0.8}, learned=weights({"b": 0.9}))
    assert [one.left_out for one in chosen(policy(predictor))[1].candidates] == [
        "", "nothing is known of it",
    ]  # fmt: skip


def test_it_abstains_below_the_confidence_that_is_asked_for() -> None:
    """The targets answer; the numbers are told all the same."""
    decision, choice = chosen(policy(chooser({"b": 0.4, "c": 0.9}, min_confidence=0.6)))
    assert order(decision) == "ab"
    assert (choice.backend, choice.abstained, choice.confidence) == ("", "LowConfidence", 0.5)
    assert [one.backend for one in choice.candidates] == ["c", "b"]


def unlike() -> CompiledPolicy:
    """Learned from words that no request has."""
    strange = weights(
        {"b": 0.4, "c": 0.9}, labels=(50.0, 50.0), grams="zyx", codes=b"\1\0\0\0\0\0",
        scales=(1.0, 1.0, 1.0), familiar=0.5,
    )  # fmt: skip
    return policy(chooser({"b": 0, "c": 0}, learned=strange))


def test_it_abstains_where_the_request_is_unlike_all_that_it_learned_from() -> None:
    """But a conversation goes on where it is: "yes, go on" is unlike everything."""
    decision, choice = chosen(unlike())
    assert (order(decision), choice.abstained) == ("ab", "OutOfDistribution")
    decision, choice = chosen(unlike(), stays="b")
    assert (order(decision), choice.why) == ("bca", "Stays")


@pytest.mark.parametrize(("gain", "first", "why"), [(0.04, "b", "Stays"), (0.06, "c", "Best")])
def test_a_conversation_stays_until_another_is_better_by_more_than_the_margin(
    gain: float, first: str, why: str
) -> None:
    """Which saves the prompt cache, and a change of voice."""
    found = policy(chooser({"b": 0.8, "c": 0.8 + gain, "d": 0.1}, switch_margin=0.05))
    decision, choice = chosen(found, stays="b", turns=3)
    assert (choice.backend, choice.why) == (first, why)
    assert order(decision)[0] == first


def test_a_conversation_leaves_who_is_below_the_floor() -> None:
    """Whatever the margin."""
    found = policy(chooser({"b": 0.58, "c": 0.61}, switch_margin=0.5, quality_floor=0.6))
    assert chosen(found, stays="b")[1].backend == "c"


def test_so_many_of_the_conversations_that_begin_go_to_another() -> None:
    """Each of the others has the same part; none where a conversation is on its way."""
    found = policy(chooser({"b": 0.9, "c": 0.8, "d": 0.7}, exploration=0.1))
    firsts = [chosen(found, dice=number / 100)[1].backend for number in range(100)]
    assert firsts == ["c"] * 5 + ["d"] * 5 + ["b"] * 90
    assert chosen(found, dice=0.0)[1].why == "Explores"
    assert chosen(found, dice=0.0, turns=2)[1].backend == "b"
    assert chosen(found, dice=0.0, stays="b")[1].backend == "b"
    observing = policy(chooser({"b": 0.9, "c": 0.8}, exploration=0.1, mode="Observe"))
    assert chosen(observing, dice=0.0)[1].backend == "b"


@given(
    quality=st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1), min_size=1),
    text=st.text(max_size=200),
    stays=st.sampled_from(["", *"abcd"]),
    dice=st.floats(0, 0.999),
    tools=st.booleans(),
    prefer=st.sampled_from(["Quality", "Balanced", "Cost"]),
    most=st.sampled_from([0, 1, 10**9]),
)
def test_whatever_is_asked_the_order_holds_backends_of_the_policy_once_each(  # noqa: PLR0917
    quality: dict[str, float], text: str, stays: str, dice: float, tools: bool, prefer: str,
    most: int,
) -> None:  # fmt: skip
    """And none that lacks what the request needs; the choice stands first."""
    predictor = chooser(
        quality, prefer=prefer, max_cost_nano=most, exploration=0.2, quality_floor=0.5
    )
    found = policy(predictor, a=backend("a", capabilities=("Tools",)),
                   b=backend("b", capabilities=("Tools",), prices=DEAR))  # fmt: skip
    decision, choice = chosen(found, text, stays=stays, dice=dice, tools=tools)
    names = order(decision)
    assert set(names) <= set("abcd")
    assert len(set(names)) == len(names)
    assert not tools or set(names) <= set("ab")
    assert choice.backend == (names[0] if not choice.abstained else "")


def test_a_policys_own_tests_count_with_all_who_may_be_chosen() -> None:
    """Whatever is learned by then; who only observes chooses nobody."""
    analysis, _ = read(CODE)
    facts = RequestFacts(analysis=analysis, max_output_tokens=1000)
    for mode, names in (("Apply", "acd"), ("Observe", "a")):
        predictor = chooser({"b": 0.1, "c": 0.9, "d": 0.2}, mode=mode)
        found = policy(predictor, b=backend("b", context_window=500))
        first = first_choices(decide(found, facts, dice=0.0), facts)
        assert "".join(one.name for one in first) == names


def test_weights_that_cannot_be_read_refuse_the_policy() -> None:
    """So that the one in force stays."""
    with pytest.raises(TableError, match="the predictor's weights: version 9"):
        policy(chooser({"b": 0.9}, learned=weights({"b": 0.9}, version=9)))
    with pytest.raises(TableError, match="candidate z is not in the policy's blob"):
        policy(chooser({"z": 0.9}))


def test_a_choice_can_be_read() -> None:
    """By people, in the order of trying."""
    found = policy(chooser({"b": 0.4, "c": 0.9}), c=backend("c", prices=CHEAP))
    lines = chosen(found)[1].words()
    assert lines[0] == "predictor: chooses c (Best), confidence 0.50"
    assert lines[-2].startswith("candidate c: quality 0.90, 0.00012")
    assert lines[-2].endswith(" USD")
    assert lines[-1] == "candidate b: quality 0.40"
