"""One cost cap over a route's target and chain."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.analysis import Analysis, Task
from pointsman.api.profile import Parameter, Profile
from pointsman.api.table import (
    Backend,
    Fallback,
    PolicyBlob,
    Price,
    Route,
    ServiceAddress,
    Target,
)
from pointsman.routing import CompiledPolicy, RequestFacts, compile_policy, decide, first_choices
from pointsman.routing.cap import Cap, most_cost_nano, too_dear

ADDRESS = ServiceAddress(namespace="default", service="m", port=8000)
MILLION = 10**6


def facts(tokens: int = 1000, output: int = 1000, **more: object) -> RequestFacts:
    """A request of so many tokens that asks for so many."""
    analysis = Analysis(Task.CHAT, False, "und", tokens, 0.0, ())
    return RequestFacts(analysis=analysis, max_output_tokens=output, **more)  # type: ignore[arg-type]


def backend(name: str = "b", dollars: float = 1.0, **more: object) -> Backend:
    """One with a price per million tokens, of both kinds."""
    pico = int(dollars * MILLION)
    prices = (Price(input_pico=pico, output_pico=pico),) if dollars else ()
    return Backend(name=name, model=name, address=ADDRESS, **{"prices": prices} | more)  # type: ignore[arg-type]


def policy(max_cost_nano: int, *backends: Backend) -> CompiledPolicy:
    """The first is the target, the others its chain."""
    first, *chain = [one.name for one in backends]
    route = Route(
        name="default",
        targets=(Target(backend=first),),
        fallback=Fallback(chain=tuple(chain), max_cost_nano=max_cost_nano),
    )
    return compile_policy(
        PolicyBlob(
            namespace="default", name="p", revision="r", model_names=("auto",), routes=(route,),
            backends={one.name: one for one in backends},
        ),
        "d",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "nano"),
    [
        (facts(), 2_000_000),
        (facts(output=0), 16_384_000 + 1_000_000),
        (facts(answers=3), 4_000_000),
        (facts(answers=0), 1_000_000),
    ],
)
def test_the_most_is_the_prompt_and_the_longest_answer(asked: RequestFacts, nano: int) -> None:
    """At a dollar for a million tokens a token is a thousand nano-dollars."""
    assert most_cost_nano(backend(), asked) == nano


def test_an_answer_of_no_said_length_may_fill_the_window_or_the_profiles_bound() -> None:
    """The window holds the prompt as well."""
    assert most_cost_nano(backend(context_window=8000), facts(output=0)) == 8_000_000
    assert most_cost_nano(backend(context_window=500), facts(output=0)) == 1_000_000
    bound = Profile(parameters=(Parameter(name="max_tokens", default="100"),))
    assert most_cost_nano(backend(profile=bound), facts(output=0)) == 1_100_000


def test_the_price_of_now_counts_and_the_highest_where_there_is_no_now() -> None:
    """Prices have days on which they begin."""
    prices = tuple(
        Price(from_s=at, input_pico=dollars * MILLION, output_pico=dollars * MILLION)
        for at, dollars in ((0.0, 2), (100.0, 5), (200.0, 1))
    )
    one = backend(prices=prices)
    costs = [most_cost_nano(one, facts(now_s=now)) for now in (-1.0, 50.0, 100.0, 250.0, None)]
    assert costs == [4_000_000, 4_000_000, 10_000_000, 2_000_000, 10_000_000]


def test_who_may_cost_more_is_skipped_with_a_reason() -> None:
    """The target as well as the chain; a free backend never is."""
    found = policy(3_000_000, backend("large", 10), backend("mid", 1.5), backend("own", 0))
    decision = decide(found, facts(), dice=0.0, explain=True)
    assert [one.name for one in decision.candidates] == ["mid", "own"]
    (skip,) = decision.skipped
    assert (skip.backend, skip.dear, skip.ahead) == ("large", True, True)
    assert skip.reason == "it may cost 0.02 USD, over maxCost 0.003"
    assert "backend large: skipped, it may cost 0.02 USD, over maxCost 0.003" in decision.evidence
    assert [one.name for one in first_choices(decision, facts())] == ["mid"]
    assert not decide(policy(1, backend()), facts(), dice=0.0).candidates


def test_another_currency_cannot_be_counted_and_is_skipped() -> None:
    """Free ones can, whatever they say."""
    others = (backend("euro", 0.1, currency="EUR"), backend("free", 0, currency="JPY"))
    decision = decide(policy(10**9, backend("large"), *others), facts(), dice=0.0)
    assert [one.name for one in decision.candidates] == ["large", "free"]
    assert decision.skipped[0].reason == "its prices are in EUR, maxCost is in USD"


def test_without_a_cap_nothing_is_counted() -> None:
    """A policy of before decides as before."""
    found = policy(0, backend("large", 10_000))
    assert found.capped is False
    assert [one.name for one in decide(found, facts(), dice=0.0).candidates] == ["large"]


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=6),
    st.integers(1, 100_000_000),
    st.integers(0, 5000),
    st.integers(0, 5000),
)
def test_what_is_tried_one_after_the_other_never_passes_the_cap(
    dollars: list[int], cap: int, tokens: int, output: int
) -> None:
    """However many attempts break after they were sent."""
    asked, limit, paid = facts(tokens, output), Cap(cap, "USD"), 0
    told = []
    for price in dollars:
        one = backend(dollars=price)
        told.append(too_dear(one, limit, asked, paid))
        if not told[-1]:
            paid += most_cost_nano(one, asked)
    assert paid <= cap
    for before, after in pairwise([replace(asked, max_output_tokens=output + n) for n in (1, 2)]):
        assert most_cost_nano(backend(), before) <= most_cost_nano(backend(), after)


def test_a_cost_beyond_any_float_is_told_in_whole_numbers() -> None:
    """A caller may write a number of any length."""
    asked = facts(output=10**400)
    why = too_dear(backend(), Cap(5 * 10**9, "USD"), asked)
    assert why.endswith("over maxCost 5")
    assert too_dear(backend(), Cap(1_500, "USD"), facts()).endswith("over maxCost 0.000002")
