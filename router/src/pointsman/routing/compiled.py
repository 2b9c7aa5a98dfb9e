"""A policy as the request path wants it: sets instead of lists, weights already summed.

Compiling checks what a blob's types cannot: every name resolves, every expression compiles, the
last route has no match. A blob that fails is refused whole with TableError, so that the one in
force stays.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from pointsman.api.expressions import NEEDS_TEXT, BadExpression, Expression, compile_expression
from pointsman.api.table import (
    PINS,
    Backend,
    Budget,
    Match,
    PolicyBlob,
    Route,
    Shadow,
    Signals,
    TableError,
)
from pointsman.routing.cap import Cap, cap_of
from pointsman.routing.capture import CompiledCapture, compile_capture
from pointsman.routing.chooser import CompiledChooser, compile_chooser

if TYPE_CHECKING:
    from pointsman.routing.governance import CompiledGovernance
    from pointsman.routing.review import CompiledReview

_NO_WINDOW: Final = 1 << 60
"""Tokens; no float, since what a caller asks for may be a number that fits none."""


@dataclass(frozen=True, slots=True)
class FurtherMatch:
    """Conditions that few rules have; None and empty hold for everything."""

    complexities: frozenset[str]
    domains: frozenset[str]
    min_turns: int
    max_turns: int | None
    tools: bool | None
    images: bool | None
    json_mode: bool | None


@dataclass(frozen=True, slots=True)
class CompiledMatch:
    """All that are set must hold; a frozenset that is empty holds for everything."""

    tasks: frozenset[str]
    languages: frozenset[str]
    min_tokens: int
    max_tokens: int | None
    headers: tuple[tuple[str, str, bool], ...]
    """(lower-case name, value, whether it is a prefix)."""
    metadata: tuple[tuple[str, str], ...]
    further: FurtherMatch | None
    expression: Expression | None


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route with all orders of backends that it can give."""

    route: Route
    ways: tuple[CompiledMatch, ...]
    """Any of them is enough; the default has none."""
    bounds: tuple[int, ...]
    """Of each target with a weight, the upper bound of its share in [0, the last of them)."""
    orders: tuple[tuple[Backend, ...], ...]
    """For each of them, it and its chain; without any, the chain alone."""
    window: int
    """What fits every backend of the route, in tokens."""
    on_error: bool
    on_timeout: bool
    on_context_window: bool
    on_cold: bool
    on_saturated: bool
    on_unschedulable: bool
    spills: bool
    """True if the states of its backends decide who takes a request, before any failed."""
    cap: Cap | None
    """What all attempts of a request may cost; None: anything."""
    request_timeout_s: float
    first_token_timeout_s: float
    chain_s: float | None
    """After which no further attempt begins; None: the data plane's own bound."""


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """One policy in force."""

    name: str
    revision: str
    digest: str
    model_names: tuple[str, ...]
    routes: tuple[CompiledRoute, ...]
    tries: tuple[tuple[CompiledRoute, CompiledMatch], ...]
    """Every match in order, with the route that it leads to."""
    expressions_read: tuple[str, ...]
    """What all expressions together look at."""
    backends: Mapping[str, Backend]
    reads_text: bool
    """True if a rule looks at what only a text tells."""
    reads_headers: bool
    """True if a rule looks at headers."""
    window: int
    """The smallest context window of its backends, in tokens."""
    baseline: Backend | None
    """What savings are told against."""
    budgets: tuple[Budget, ...]
    place: str
    """Namespace and name: what its budgets are filed under."""
    capture: CompiledCapture | None
    """None: nothing is kept of texts."""
    signals: Signals | None
    chooser: CompiledChooser | None
    """None: nothing is predicted."""
    governance: "CompiledGovernance | None"
    """None: every request may go to every backend of it, but for the class that its caller gave."""
    capped: bool
    """True if a route has a cost cap."""
    review: "CompiledReview | None"
    """None: no person looks at its requests."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A policy's candidate, and the part of the conversations that goes to it."""

    policy: CompiledPolicy
    weight_percent: int
    shadow: Shadow | None = None
    """Which of the others' requests it answers as well, unseen by their callers."""


@dataclass(frozen=True, slots=True)
class CompiledTable:
    """All policies in force, by the model names that callers use."""

    by_model: Mapping[str, CompiledPolicy]
    policies: tuple[CompiledPolicy, ...]
    """Candidates and `pins` among them."""
    canaries: Mapping[str, Canary] = field(default_factory=dict)
    """Policy -> its candidate, while there is one."""
    pins: CompiledPolicy | None = None
    """What the operator's own questions go through; no caller can name it."""
    pinned: Mapping[str, CompiledPolicy] = field(default_factory=dict)
    """Backend -> as much of `pins` as leads there, and nowhere else."""


def _compile_further(match: Match) -> FurtherMatch | None:
    compiled = FurtherMatch(
        complexities=frozenset(match.complexities),
        domains=frozenset(match.domains),
        min_turns=match.min_turns or 0,
        max_turns=match.max_turns,
        tools=match.tools,
        images=match.images,
        json_mode=match.json_mode,
    )
    return compiled if compiled != _NOTHING_FURTHER else None


_NOTHING_FURTHER: Final = FurtherMatch(frozenset(), frozenset(), 0, None, None, None, None)


def _compile_expression(source: str) -> Expression | None:
    if not source:
        return None
    try:
        return compile_expression(source)
    except BadExpression as error:
        raise TableError(f"expression {source[:80]!r}: {error}") from error


def _compile_match(match: Match) -> CompiledMatch:
    return CompiledMatch(
        tasks=frozenset(match.tasks),
        languages=frozenset(match.languages),
        min_tokens=match.min_tokens or 0,
        max_tokens=match.max_tokens,
        headers=tuple((h.name.lower(), h.value, h.type == "Prefix") for h in match.headers),
        metadata=tuple(sorted(match.metadata.items())),
        further=_compile_further(match),
        expression=_compile_expression(match.expression),
    )


def _read_by_expression(match: CompiledMatch) -> frozenset[str]:
    return match.expression.reads if match.expression else frozenset()


def _reads_text(match: CompiledMatch) -> bool:
    further = match.further
    return bool(
        match.tasks
        or match.languages
        or match.min_tokens
        or match.max_tokens is not None
        or (further and replace(further, tools=None) != _NOTHING_FURTHER)
        or _read_by_expression(match) & NEEDS_TEXT
    )


def _reads_headers(match: CompiledMatch) -> bool:
    return bool(match.headers) or "request.headers" in _read_by_expression(match)


def _compile_route(route: Route, backends: Mapping[str, Backend]) -> CompiledRoute:
    chain = route.fallback.chain if route.fallback else ()
    for name in (*(target.backend for target in route.targets), *chain):
        if name not in backends:
            raise TableError(f"route {route.name}: backend {name} is not in the policy's blob")
    targets = [target for target in route.targets if target.weight > 0]
    orders = [(t.backend, *(name for name in chain if name != t.backend)) for t in targets]
    used = [backends[name] for order in orders or [chain] for name in order]
    on = route.fallback.on if route.fallback else ()
    return CompiledRoute(
        route=route,
        ways=tuple(map(_compile_match, route.ways)),
        bounds=tuple(accumulate(target.weight for target in targets)),
        orders=tuple(tuple(backends[name] for name in order) for order in orders or [chain]),
        window=min(map(_window, used), default=_NO_WINDOW),
        on_error="Error" in on,
        on_timeout="Timeout" in on,
        on_context_window="ContextWindow" in on,
        on_cold="Cold" in on,
        on_saturated="Saturated" in on,
        on_unschedulable="Unschedulable" in on,
        spills="Saturated" in on or "Unschedulable" in on,
        cap=cap_of(route.fallback, used),
        request_timeout_s=route.request_timeout_s,
        first_token_timeout_s=route.first_token_timeout_s,
        chain_s=route.fallback.deadline_s if route.fallback else None,
    )


def _window(backend: Backend) -> int:
    """For what the caller sends: what its profile may add has to fit as well."""
    if backend.context_window is None:
        return _NO_WINDOW
    return backend.context_window - (backend.profile.margin_tokens if backend.profile else 0)


def compile_policy(blob: PolicyBlob, digest: str) -> CompiledPolicy:
    """Ready for `decide`; raises TableError on names that do not resolve or a missing default."""
    if blob.name == PINS:
        return _compile(blob, digest)
    if not blob.routes or blob.routes[-1].ways:
        raise TableError(f"policy {blob.name}: the last route must be the default")
    if not all(route.ways for route in blob.routes[:-1]):
        raise TableError(f"policy {blob.name}: only the last route may lack a match")
    if not blob.model_names:
        raise TableError(f"policy {blob.name}: no model names")
    return _compile(blob, digest)


def _compile(blob: PolicyBlob, digest: str) -> CompiledPolicy:
    routes = tuple(_compile_route(route, blob.backends) for route in blob.routes)
    matches = [match for route in routes for match in route.ways]
    return CompiledPolicy(
        name=blob.name,
        revision=blob.revision,
        digest=digest,
        model_names=blob.model_names,
        routes=routes,
        tries=tuple((route, match) for route in routes for match in route.ways),
        expressions_read=tuple(sorted(set().union(*map(_read_by_expression, matches)))),
        backends=blob.backends,
        reads_text=blob.predictor is not None
        or (blob.review is not None and blob.review.low_confidence is not None)
        or any(map(_reads_text, matches)),
        reads_headers=any(map(_reads_headers, matches)),
        window=min(map(_window, blob.backends.values()), default=_NO_WINDOW),
        baseline=blob.backends.get(blob.baseline),
        budgets=blob.budgets,
        place=f"{blob.namespace}/{blob.name}",
        capture=compile_capture(blob.capture, blob.name) if blob.capture else None,
        signals=blob.signals,
        chooser=compile_chooser(blob),
        governance=_compile_governance(blob),
        capped=any(route.cap is not None for route in routes),
        review=_compile_review(blob),
    )


def _compile_review(blob: PolicyBlob) -> "CompiledReview | None":
    """As `_compile_governance`."""
    if blob.review is None and not any(route.review for route in blob.routes):
        return None
    from pointsman.routing.review import compile_review  # noqa: PLC0415 - see below

    return compile_review(blob)


def _compile_governance(blob: PolicyBlob) -> "CompiledGovernance | None":
    """None, and nothing is imported, where no backend, route or policy says anything of it."""
    backends = blob.backends.values()
    if (
        blob.governance is None
        and not any(route.data_class for route in blob.routes)
        and not (blob.review and blob.review.data_class)
        and not any(one.approval or one.max_data_class for one in backends)
    ):
        return None
    from pointsman.routing.governance import compile_governance  # noqa: PLC0415 - few say any

    return compile_governance(blob)


def compile_table(
    policies: Iterable[CompiledPolicy],
    canaries: Mapping[str, Canary] | None = None,
    pins: CompiledPolicy | None = None,
) -> CompiledTable:
    """By model name; of two policies with one name the first keeps it (the operator refuses it)."""
    ordered, canaries = tuple(policies), canaries or {}
    by_model: dict[str, CompiledPolicy] = {}
    for policy in ordered:
        for name in policy.model_names:
            by_model.setdefault(name, policy)
    every = (*ordered, *(one.policy for one in canaries.values()))
    if pins is None:
        return CompiledTable(by_model=by_model, policies=every, canaries=canaries)
    return CompiledTable(
        by_model=by_model,
        policies=(*every, pins),
        canaries=canaries,
        pins=pins,
        pinned=dict(_pinned(pins)),
    )


def _pinned(pins: CompiledPolicy) -> Iterator[tuple[str, CompiledPolicy]]:
    for route in pins.routes:
        for (backend,) in route.orders:
            only = {backend.name: backend}
            yield backend.name, replace(pins, routes=(route,), backends=only, window=route.window)
