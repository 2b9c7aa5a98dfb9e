"""The most that a run can cost, and at which prices."""

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.evaluation.suite.calls import questions_at_most
from pointsman.evaluation.suite.content import Suite
from pointsman.evaluation.suite.spending import TokenPrices, most, prices_at


def prices_of(backend: ModelBackend, now: str) -> TokenPrices | None:
    """Of a backend; None if nobody says. `now` is RFC 3339."""
    return prices_at(backend.spec.cost, now) if backend.spec.cost else None


def most_nano(suite: Suite, price: TokenPrices | None, judge: TokenPrices | None) -> int:
    """Of a whole run, as its purse sets it aside: no run needs more."""
    return sum(
        prices.cost_nano(most(step.messages, step.max_tokens))
        for golden in suite.prompts.values()
        for step in questions_at_most(golden, suite.judge)
        for prices in [judge if step.judge else price]
        if prices is not None
    )
