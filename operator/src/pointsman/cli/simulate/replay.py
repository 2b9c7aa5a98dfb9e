"""PURE: each request through both sides by the router's own decision, with the same dice.

Guarantees memory of the number of backends and rules, not of requests, and that a policy replayed
against itself changes nothing, however its weights are. A predictor chooses as if each request
began a conversation, and explores nothing.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from pointsman.api.dataclass import RANKS
from pointsman.api.table import Backend
from pointsman.cli.traffic.money import Assumed, price_of
from pointsman.cli.traffic.seen import Seen
from pointsman.ledger.ratio import Moments
from pointsman.routing import CompiledPolicy, CompiledTable, Decision, decide
from pointsman.routing.choosing import Asked, choose
from pointsman.routing.cost import Tariff
from pointsman.routing.governing import NoClass, narrowed, rank_of_facts
from pointsman.routing.review import look

NO_POLICY: Final = "(no policy has the model name)"


class Routed(NamedTuple):
    """Where a request goes; backend "" if nobody can take it, `cost_nano` None if not priced."""

    rule: str
    backend: str
    cost_nano: int | None
    currency: str
    review: str = ""
    """How a person looks at it: the mode, empty for none; of a ledger not known."""


class Side:
    """
    One policy, or several: by the model name of a request, of a ledger by the policy's own.

    `model` stands for the policy of requests of other names.
    """

    def __init__(self, table: CompiledTable, model: str | None, now_s: float) -> None:
        self.table = table
        only = table.policies[0] if len(table.policies) == 1 else None
        self._default = table.by_model.get(model) if model else only
        self._several = len(table.policies) > 1
        self._by_name = {policy.name: policy for policy in table.policies}
        self._now_s = now_s
        self._tariffs: dict[tuple[str, str], Tariff] = {}
        self._narrowed: dict[tuple[str, int], CompiledPolicy] = {}
        """By policy and class of data."""

    def route(self, seen: Seen, die: float, assumed: Assumed) -> Routed:
        """By the rules and the predictor; what the first candidate would cost."""
        if seen.recorded is not None:
            policy = self._by_name.get(seen.recorded.policy) or self._default
        else:
            policy = self.table.by_model.get(seen.model) or self._default
        if policy is None:
            return Routed(NO_POLICY, "", 0, "")
        policy, rank = self._governed(policy, seen)
        decision = self._chosen(policy, decide(policy, seen.facts, dice=die), seen)
        decision, need = look(decision, seen.facts, rank=rank, now_s=self._now_s)
        review = need.mode if need else ""
        rule = decision.route.route.name
        rule = f"{policy.name}/{rule}" if self._several else rule
        if not decision.candidates:
            return Routed(rule, "", 0, "", review)
        backend = decision.candidates[0]
        cost = self._cost(policy, backend, seen, assumed)
        return Routed(rule, backend.name, cost, backend.currency, review)

    def _governed(self, policy: CompiledPolicy, seen: Seen) -> tuple[CompiledPolicy, int]:
        """For the class that is recorded or said; what a text would tell is not known here."""
        rank = RANKS.get(seen.recorded.data_class, 0) if seen.recorded else 0
        try:
            rank = rank_of_facts(policy, seen.facts, texts=[], key=rank)
        except NoClass:  # a router would refuse it; here it is counted as of the strictest
            rank = max(RANKS.values())
        if policy.governance is None and not rank:
            return policy, rank
        key = (policy.name, rank)
        if key not in self._narrowed:
            self._narrowed[key] = narrowed(policy, rank, self._now_s).policy
        return self._narrowed[key], rank

    def _chosen(self, policy: CompiledPolicy, decision: Decision, seen: Seen) -> Decision:
        compiled = policy.chooser
        if compiled is None or compiled.chooser.mode != "Apply" or seen.text is None:
            return decision
        return choose(compiled, decision, Asked(seen.text, seen.facts, self._now_s))[0]

    def _cost(
        self, policy: CompiledPolicy, backend: Backend, seen: Seen, assumed: Assumed
    ) -> int | None:
        if not backend.prices:
            return None
        key = (policy.name, backend.name)
        tariff = self._tariffs.get(key)
        if tariff is None:
            tariff = self._tariffs[key] = Tariff(backend.prices, backend.currency)
        at_s = seen.recorded.at_ms / 1000 if seen.recorded else self._now_s
        return price_of(assumed.usage(seen), tariff.at(at_s))


def predicting(side: Side) -> list[str]:
    """Policies whose predictor chooses."""
    return [
        policy.name
        for policy in side.table.policies
        if policy.chooser is not None and policy.chooser.chooser.mode == "Apply"
    ]


def recorded(seen: Seen) -> Routed:
    """Where a ledger says that it went first, and what it did cost."""
    event = seen.recorded
    assert event is not None
    backend = event.candidates[0] if event.candidates else event.backend
    return Routed(event.rule, backend, event.cost_nano, event.currency)


class Replay:
    """Add requests, then read. Without `before` there is one side only."""

    def __init__(self) -> None:
        self.requests = 0
        self.cells: Counter[tuple[str, str, str]] = Counter()
        """(backend before, backend after, task); before is "" if there is one side only."""
        self.rules: Counter[tuple[str, str]] = Counter()
        self.cost: dict[tuple[str, str], list[int]] = {}
        """Billionths (before, after) of what went from one backend to another."""
        self.moments = Moments()
        self.unpriced: Counter[str] = Counter()
        """Requests to backends without a price, after."""
        self.unpriced_before = 0
        self.currencies: set[str] = set()
        self.stated = 0
        self.reviews: Counter[tuple[str, str]] = Counter()
        """Requests that a person would see, by mode: (before, after); empty: none."""

    def add(self, seen: Seen, before: Routed | None, after: Routed) -> None:
        """One request."""
        self.requests += 1
        self.stated += seen.usage is not None
        was = before or Routed("", "", 0, "")
        self.cells[was.backend, after.backend, seen.task] += 1
        self.rules[was.rule, after.rule] += 1
        if was.review or after.review:
            self.reviews[was.review, after.review] += 1
        for side in (was, after):
            if side.currency and side.cost_nano:  # what costs nothing has no price to convert
                self.currencies.add(side.currency)
        if after.cost_nano is None:
            self.unpriced[after.backend] += 1
        self.unpriced_before += was.cost_nano is None
        a, b = was.cost_nano or 0, after.cost_nano or 0
        sums = self.cost.setdefault((was.backend, after.backend), [0, 0])
        sums[0] += a
        sums[1] += b
        self.moments.add(a, b)

    def flows(self) -> Mapping[tuple[str, str], int]:
        """Requests by (backend before, backend after)."""
        found: Counter[tuple[str, str]] = Counter()
        for (before, after, _), count in self.cells.items():
            found[before, after] += count
        return found


def blind_rules(table: CompiledTable) -> list[str]:
    """Rules that look at headers or metadata, which a ledger does not keep."""
    found = []
    for policy in table.policies:
        for route in policy.routes:
            of = msgspec.to_builtins(route.route)
            text = msgspec.json.encode([of.get(name) for name in ("match", "matches")])
            if b"header" in text or b"metadata" in text:
                found.append(route.route.name)
    return found
