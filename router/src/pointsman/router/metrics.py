"""What the data plane counts, for Prometheus.

Guarantees bounded series: label values are names of the table in force, HTTP codes that have a
meaning and our own reasons, never what a caller or a backend sent; docs/metrics.md has the bound.
The hot path adds to plain numbers; labels are put on when scraped.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from pointsman.api.counted import Arms
from pointsman.api.statuses import label_of
from pointsman.api.table import Served
from pointsman.events.schema import NANO
from pointsman.router.histogram import Histogram

# The buckets of OpenTelemetry's gen_ai.client.operation.duration and time_to_first_token.
_DURATION_S: Final = tuple(0.01 * 2**n for n in range(14))
_FIRST_TOKEN_S: tuple[float, ...] = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0
)  # fmt: skip
_OVERHEAD_S: tuple[float, ...] = (5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.1)
_PREFIX: Final = "pointsman_router_"
_MOST_TEAMS: Final = 256
"""Teams come from Secrets and so are few; a Secret that makes one up a day must not fill memory."""
_FURTHER_TEAMS: Final = "_further"
"""No team's name begins with an underscore."""
_IN_VAIN: Final = ("HoldTimeout", "HoldFull", "CannotStart")
"""How waits end that an alert counts. They begin at 0: of a series that is born with a value nobody
can tell that it has grown."""
_TURNED_AWAY: Final = ("HoldFull", "CannotStart")
"""Likewise, of attempts: who could not even wait."""


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


@dataclass(slots=True)
class RouteSeries:
    """Requests that ended with one policy, rule and backend; all empty: not routed."""

    policy: str
    rule: str
    backend: str
    codes: dict[int, int] = field(default_factory=dict)
    duration: Histogram = field(default_factory=lambda: Histogram(_DURATION_S))
    first_token: Histogram = field(default_factory=lambda: Histogram(_FIRST_TOKEN_S))
    fallbacks: dict[str, int] = field(default_factory=dict)
    """Reason -> how often this backend was left for the next."""

    def answered(self, code: int) -> None:
        """Count one answer."""
        self.codes[code] = self.codes.get(code, 0) + 1

    def fell_back(self, reason: str) -> None:
        """Count one step to the next backend."""
        _count(self.fallbacks, reason)


@dataclass(slots=True)
class Tokens:
    """Sums over answers."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated_input_tokens: int = 0
    estimated_output_tokens: int = 0

    def used(self, prompt: int, completion: int, *, estimated: bool) -> None:
        """Count the tokens of one answer."""
        if estimated:
            self.estimated_input_tokens += prompt
            self.estimated_output_tokens += completion
        else:
            self.input_tokens += prompt
            self.output_tokens += completion

    def add_to(self, family: CounterMetricFamily, name: str) -> None:
        """With the labels direction and source after `name`."""
        family.add_metric([name, "input", "stated"], self.input_tokens)
        family.add_metric([name, "output", "stated"], self.output_tokens)
        family.add_metric([name, "input", "estimated"], self.estimated_input_tokens)
        family.add_metric([name, "output", "estimated"], self.estimated_output_tokens)


@dataclass(slots=True)
class BackendSeries:
    """Attempts at one backend, over all policies."""

    backend: str
    attempts: dict[str, int] = field(default_factory=dict)
    """Outcome (`Ok` or a reason) -> count."""
    retries: int = 0
    ejections: dict[str, int] = field(default_factory=dict)
    """Reason -> how often an endpoint got no more requests for a while."""
    waits: dict[str, int] = field(default_factory=dict)
    """How a wait for a server ended (`Answered` or a reason) -> count."""
    waited: Histogram = field(default_factory=lambda: Histogram(_DURATION_S))
    tokens: Tokens = field(default_factory=Tokens)
    cost_nano: dict[str, int] = field(default_factory=dict)
    """Currency -> sum in billionths."""

    def attempted(self, outcome: str) -> None:
        """Count one attempt."""
        self.attempts[outcome] = self.attempts.get(outcome, 0) + 1

    def may_wait(self) -> None:
        """Requests may wait for it: what an alert counts of them is told from now on."""
        for outcome in _IN_VAIN:
            self.waits.setdefault(outcome, 0)
        for outcome in _TURNED_AWAY:
            self.attempts.setdefault(outcome, 0)

    def held(self, outcome: str, for_s: float) -> None:
        """Count one wait for a server that is over."""
        _count(self.waits, outcome)
        self.waited.observe(for_s)


@dataclass(slots=True)
class TeamSeries:
    """Requests of the callers of one team."""

    team: str
    codes: dict[int, int] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)
    limited: dict[str, int] = field(default_factory=dict)
    """What was used up (Requests, Tokens, Concurrency) -> requests refused for it."""

    def answered(self, code: int) -> None:
        """Count one answer."""
        self.codes[code] = self.codes.get(code, 0) + 1

    def refused(self, what: str) -> None:
        """Count one request over a limit."""
        _count(self.limited, what)


class Metrics(Collector):
    """All of them; registers itself."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.in_flight: Mapping[str, int] = {}
        """Live.in_flight, once a data plane uses it."""
        self.held: Mapping[str, int] = {}
        """Live.held, likewise."""
        self.ejected: Callable[[], Mapping[str, int]] = dict  # endpoints, by backend
        self.answering: Callable[[], Mapping[str, bool]] = dict
        """Backends of the table in force, and whether requests may wait for a server of theirs."""
        self.connections = 0
        self.internal_errors = 0
        """Bugs of this router that a request met; each is logged."""
        self.overhead = Histogram(_OVERHEAD_S)
        self.tasks: dict[str, int] = {}
        self.refusals: dict[str, int] = {}
        """Requests without a key that is known, by reason."""
        self.over_budgets: dict[tuple[str, str, str], int] = {}
        """(policy, budget, mode) -> requests."""
        self.predictions: dict[tuple[str, str, str, str], int] = {}
        """(policy, by its rules, by its predictor, outcome) -> requests."""
        self.arms: Callable[[], Mapping[str, Arms]] = dict
        """What the arms of rollouts did, once a data plane counts it."""
        self.undetermined: dict[tuple[str, str], int] = {}
        """(policy, rule) -> requests for which an expression of the rule could not be told."""
        self._teams: dict[str, TeamSeries] = {}
        self._routes: dict[tuple[str, str, str], RouteSeries] = {}
        self.backends: dict[str, BackendSeries] = {}
        self.unrouted = self.route("", "", "")
        self.registry.register(self)

    def route(self, policy: str, rule: str, backend: str) -> RouteSeries:
        """The series of these names; keep it instead of asking again."""
        key = (policy, rule, backend)
        found = self._routes.get(key)
        if found is None:
            found = self._routes[key] = RouteSeries(policy, rule, backend)
        return found

    def served(self) -> Served:
        """Requests that ended and the seconds they took, by policy, rule and backend."""
        found: Served = {}
        for series in self._routes.values():
            if series.policy and series.codes:
                rules = found.setdefault(series.policy, {})
                count, seconds = sum(series.codes.values()), round(series.duration.total, 3)
                rules.setdefault(series.rule, {})[series.backend] = (count, seconds)
        return found

    def backend(self, name: str) -> BackendSeries:
        """The series of this backend; keep it instead of asking again."""
        found = self.backends.get(name)
        if found is None:
            found = self.backends[name] = BackendSeries(name)
        return found

    def team(self, name: str) -> TeamSeries:
        """The series of this team, or of all that came after too many."""
        found = self._teams.get(name)
        if found is None:
            if len(self._teams) >= _MOST_TEAMS:
                name = _FURTHER_TEAMS
            found = self._teams.setdefault(name, TeamSeries(name))
        return found

    def keep(self, routes: Set[tuple[str, str, str]], budgets: Set[tuple[str, str]]) -> None:
        """
        Forget the series of names that no table in force has; Prometheus takes a reset for one.

        `routes`: policy, rule and backend; `budgets`: policy and budget.
        """
        unrouted = ("", "", "")
        self._routes = {k: one for k, one in self._routes.items() if k in routes or k == unrouted}
        names = {backend for _, _, backend in routes}
        self.backends = {name: one for name, one in self.backends.items() if name in names}
        over = self.over_budgets
        self.over_budgets = {key: count for key, count in over.items() if key[:2] in budgets}
        rules = {key[:2] for key in routes}
        self.undetermined = {k: count for k, count in self.undetermined.items() if k in rules}
        told, policies = self.predictions, {key[0] for key in routes}
        self.predictions = {
            k: count for k, count in told.items() if k[0] in policies and names.issuperset(k[1:3])
        }

    def refused(self, reason: str) -> None:
        """Count one request that was not let in."""
        _count(self.refusals, reason)

    def over_budget(self, policy: str, budget: str, *, enforce: bool) -> None:
        """Count one request that a budget had too little for."""
        key = (policy, budget, "Enforce" if enforce else "Shadow")
        self.over_budgets[key] = self.over_budgets.get(key, 0) + 1

    def predicted(self, policy: str, target: str, predicted: str, outcome: str) -> None:
        """Count one request that a predictor was asked about."""
        key = (policy, target, predicted, outcome)
        self.predictions[key] = self.predictions.get(key, 0) + 1

    def not_told(self, policy: str, rule: str) -> None:
        """Count one expression that could not be told."""
        key = (policy, rule)
        self.undetermined[key] = self.undetermined.get(key, 0) + 1

    def analyzed(self, task: str, decided: bool) -> None:
        """Count one analysis."""
        _count(self.tasks, task if decided else "Undecided")

    def _collect_arms(self) -> Metric:
        found = _counter(
            "rollout_requests", "Requests of policies with a candidate, by the revision that they "
            "went to; gone when the rollout has ended.", "policy", "revision", "outcome",
        )  # fmt: skip
        for policy, arms in self.arms().items():
            told = ((arms.stable, arms.of_stable), (arms.candidate, arms.of_candidate))
            for revision, counts in told:
                found.add_metric((policy, revision, "Ok"), counts.requests - counts.errors)
                found.add_metric((policy, revision, "Error"), counts.errors)
        return found

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        answering = self.answering()
        for name, may_wait in answering.items():
            if may_wait:
                self.backend(name).may_wait()
        yield from self._collect_routes()
        yield from self._collect_backends()
        yield from self._collect_callers()
        over = _counter("over_budget", "Requests over a budget.", "policy", "budget", "mode")
        for names, count in self.over_budgets.items():
            over.add_metric(names, count)
        yield over
        predicted = _counter(
            "predictions", "Whom the rules and the predictor would send a request to.",
            "policy", "target", "predicted", "outcome",
        )  # fmt: skip
        for told, count in self.predictions.items():
            predicted.add_metric(told, count)
        yield predicted
        yield self._collect_arms()
        text = "Expressions of rules that could not be told."
        untold = _counter("expression_errors", text, "policy", "rule")
        for rule, count in self.undetermined.items():
            untold.add_metric(rule, count)
        yield untold
        own = "The router's own time for an answered request."
        overhead = HistogramMetricFamily(_PREFIX + "overhead_seconds", own)
        overhead.add_metric([], self.overhead.buckets(), self.overhead.total)
        yield overhead
        tasks = _counter("analyzed", "Requests by the task the analysis found.", "task")
        for task, count in self.tasks.items():
            tasks.add_metric([task], count)
        yield tasks
        sent = "Requests sent to a backend and not finished."
        # From 0 on: an autoscaler takes a router that says nothing for one that is busy.
        yield _gauge("in_flight", sent, dict.fromkeys(answering, 0) | {**self.in_flight})
        yield _gauge("held", "Requests that wait for a server of a backend.", self.held)
        name = _PREFIX + "client_connections"
        yield GaugeMetricFamily(name, "Open connections of clients.", self.connections)
        name = _PREFIX + "internal_errors"
        yield CounterMetricFamily(name, "Requests that met a bug here.", self.internal_errors)

    def _collect_routes(self) -> Iterable[Metric]:
        labels = ("policy", "rule", "backend")
        requests = _counter("requests", "Answers by final status.", *labels, "code")
        fallbacks = _counter("fallbacks", "Steps from this backend to the next.", *labels, "reason")
        duration = HistogramMetricFamily(
            _PREFIX + "request_duration_seconds", "From request to end of answer.", labels=labels
        )
        first = HistogramMetricFamily(
            _PREFIX + "time_to_first_token_seconds",
            "From request to the first content of a streamed answer.",
            labels=labels,
        )
        for series in self._routes.values():
            names = [series.policy, series.rule, series.backend]
            for code, count in _by_label(series.codes).items():
                requests.add_metric([*names, code], count)
            for reason, count in series.fallbacks.items():
                fallbacks.add_metric([*names, reason], count)
            if series.codes:
                duration.add_metric(names, series.duration.buckets(), series.duration.total)
            if any(series.first_token.counts):
                first.add_metric(names, series.first_token.buckets(), series.first_token.total)
        yield from (requests, fallbacks, duration, first)

    def _collect_backends(self) -> Iterable[Metric]:
        attempts = _counter("attempts", "Attempts by outcome.", "backend", "outcome")
        retries = _counter("retries", "Attempts again at the same backend.", "backend")
        tokens = _counter(
            "tokens", "Tokens, as stated or estimated.", "backend", "direction", "source"
        )
        ejections = _counter("ejections", "Endpoints left out for a while.", "backend", "reason")
        waits = _counter("waits", "Waits for a server, by how they ended.", "backend", "outcome")
        waited = HistogramMetricFamily(
            _PREFIX + "wait_seconds", "How long a wait for a server took.", labels=["backend"]
        )
        cost = _counter("cost", "By the backend's declared prices.", "backend", "currency")
        for series in self.backends.values():
            name = series.backend
            for outcome, count in series.attempts.items():
                attempts.add_metric([name, outcome], count)
            retries.add_metric([name], series.retries)
            for outcome, count in series.waits.items():
                waits.add_metric([name, outcome], count)
            if any(series.waited.counts):
                waited.add_metric([name], series.waited.buckets(), series.waited.total)
            series.tokens.add_to(tokens, name)
            for currency, nano in series.cost_nano.items():
                cost.add_metric([name, currency], nano / NANO)
            for reason, count in series.ejections.items():
                ejections.add_metric([name, reason], count)
        text = "Endpoints that get no requests for a while."
        ejected = _gauge("ejected_endpoints", text, self.ejected())
        yield from (attempts, retries, waits, waited, tokens, cost, ejections, ejected)

    def _collect_callers(self) -> Iterable[Metric]:
        refused = _counter("refused_callers", "Requests without a key that counts.", "reason")
        for reason, count in self.refusals.items():
            refused.add_metric([reason], count)
        requests = _counter("team_requests", "Answers by the caller's team.", "team", "code")
        tokens = _counter("team_tokens", "Tokens by team.", "team", "direction", "source")
        limited = _counter("limited", "Requests over a caller's or team's limit.", "team", "limit")
        for series in self._teams.values():
            for code, number in _by_label(series.codes).items():
                requests.add_metric([series.team, code], number)
            series.tokens.add_to(tokens, series.team)
            for what, number in series.limited.items():
                limited.add_metric([series.team, what], number)
        yield from (refused, requests, tokens, limited)


def _by_label(codes: Mapping[int, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for code, count in codes.items():
        label = label_of(code)
        found[label] = found.get(label, 0) + count
    return found


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, text, labels=labels)


def _gauge(name: str, text: str, by_backend: Mapping[str, int]) -> GaugeMetricFamily:
    found = GaugeMetricFamily(_PREFIX + name, text, labels=["backend"])
    for backend, value in by_backend.items():
        found.add_metric([backend], value)
    return found
