"""A policy's spec and today's backends, compiled into the blob that routers run.

References that do not resolve are reported by the field's path and left out: a route that loses
all its targets keeps an empty list, and the router says so to the caller.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from pointsman.api import names, table
from pointsman.api.conditions import Reason
from pointsman.api.presets import effective, profile_of
from pointsman.api.priority import RANKS
from pointsman.api.quantity import parse_duration, parse_price
from pointsman.api.v1alpha1 import (
    Match,
    ModelBackend,
    ModelBackendSpec,
    RoutingPolicy,
    RoutingPolicySpec,
)
from pointsman.api.v1alpha1.budget import Budget, BudgetMode
from pointsman.api.v1alpha1.capture import Capture, ImplicitFeedback
from pointsman.api.v1alpha1.cost import Cost, Prices
from pointsman.api.v1alpha1.routingpolicy import Route, Rule
from pointsman.api.validation import Invalid, Problem
from pointsman.operator.plan import reviewing, vetting
from pointsman.operator.plan.predicting import Learned, compile_chooser

Backends = Mapping[str, ModelBackend | Invalid]
PINNED: Final = "pinned"
"""The rule that a pinned request is counted under."""


def references(spec: RoutingPolicySpec) -> Iterator[tuple[str, str]]:
    """Every backend that it names, with the field's path, in the order of the spec."""
    for path, _, route in spec.routes():
        for i, target in enumerate(route.targets):
            yield f"{path}.targets[{i}].backendRef.name", target.backend_ref.name
        for i, ref in enumerate(route.fallback.chain if route.fallback else ()):
            yield f"{path}.fallback.chain[{i}].name", ref.name
    if spec.baseline:
        yield "spec.baseline.name", spec.baseline.name
    for i, ref in enumerate(spec.predictor.candidates if spec.predictor else ()):
        yield f"spec.predictor.candidates[{i}].name", ref.name
    yield from reviewing.references(spec)


def requiring(specs: Mapping[str, RoutingPolicySpec]) -> dict[str, tuple[str, ...]]:
    """Backend -> the policies that name it and require its approval."""
    found: dict[str, tuple[str, ...]] = {}
    for policy, spec in sorted(specs.items()):
        if vetting.requires_approval(spec):
            for name in {name for _, name in references(spec)}:
                found[name] = (*found.get(name, ()), policy)
    return found


def _judges(spec: RoutingPolicySpec) -> Iterator[tuple[str, str]]:
    """Asked by the operator: no request of the policy goes there."""
    shadow = spec.rollout.shadow if spec.rollout else None
    if shadow is not None and shadow.judge is not None:
        yield "spec.rollout.shadow.judge.backendRef.name", shadow.judge.backend_ref.name


def named(policy: RoutingPolicy | Invalid) -> tuple[str, ...]:
    """Every backend that it names, judges among them, sorted; none if it could not be read."""
    if isinstance(policy, Invalid):
        return ()
    spec = policy.spec
    return tuple(sorted({name for _, name in (*references(spec), *_judges(spec))}))


def unresolved(spec: RoutingPolicySpec, backends: Backends) -> tuple[Problem, ...]:
    """Every reference to a backend that is missing or invalid, in the order of the spec."""
    problems = []
    for path, name in (*references(spec), *_judges(spec)):
        backend = backends.get(name)
        if backend is None:
            message = f'ModelBackend "{name}" not found'
            problems.append(Problem(path, message, Reason.BACKEND_NOT_FOUND))
        elif isinstance(backend, Invalid):
            message = f'ModelBackend "{name}" is invalid: {backend}'
            problems.append(Problem(path, message, Reason.BACKEND_INVALID))
    return tuple(problems)


def _match(match: Match) -> table.Match:
    tokens, turns = match.context_tokens, match.turns
    return table.Match(
        tasks=tuple(str(task) for task in match.task),
        languages=tuple(match.language),
        min_tokens=tokens.min if tokens else None,
        max_tokens=tokens.max if tokens else None,
        headers=tuple(
            table.HeaderMatch(name=h.name.lower(), value=h.value, type=h.type)
            for h in match.headers
        ),
        metadata=dict(match.metadata),
        complexities=tuple(str(one) for one in match.complexity),
        domains=tuple(str(domain) for domain in match.domain),
        min_turns=turns.min if turns else None,
        max_turns=turns.max if turns else None,
        tools=match.tools,
        images=match.images,
        json_mode=match.json_mode,
        expression=match.expression or "",
    )


_FIRST = frozenset(("task", "language", "context_tokens", "headers", "metadata"))
"""Conditions that routers have always known."""


def _route(
    name: str,
    ways: tuple[Match, ...],
    route: Route,
    usable: Mapping[str, object],
    out: Mapping[str, tuple[Reason, str]],
) -> table.Route:
    fallback = None
    if route.fallback:
        chain = tuple(ref.name for ref in route.fallback.chain if ref.name in usable)
        fallback = table.Fallback(
            chain=chain,
            on=tuple(when.value for when in route.fallback.when),
            deadline_s=parse_duration(route.fallback.deadline),
            max_cost_nano=int(Decimal(route.fallback.max_cost or "0") * 10**9),
        )
    old = len(ways) == 1 and ways[0].model_fields_set <= _FIRST
    return table.Route(
        name=name,
        targets=tuple(
            table.Target(backend=target.backend_ref.name, weight=target.weight)
            for target in route.targets
            if target.backend_ref.name in usable
        ),
        match=_match(ways[0]) if old else None,
        matches=() if old else tuple(map(_match, ways)),
        fallback=fallback if fallback and (fallback.chain or fallback.max_cost_nano) else None,
        first_token_timeout_s=parse_duration(route.timeouts.first_token),
        stream_idle_timeout_s=parse_duration(route.timeouts.stream_idle),
        request_timeout_s=parse_duration(route.timeouts.request),
        data_class=str(route.data_class or "") if isinstance(route, Rule) else "",
        left_out={name: str(out[name][0]) for name in _named(route) if name in out},
        review=reviewing.compile_review(route.review) if route.review else None,
        priority=RANKS[route.priority],
    )


def _named(route: Route) -> list[str]:
    chain = route.fallback.chain if route.fallback else ()
    return [target.backend_ref.name for target in route.targets] + [ref.name for ref in chain]


def _address(namespace: str, backend: ModelBackend) -> table.ServiceAddress | table.ExternalAddress:
    spec = backend.spec
    if spec.external:
        secret = spec.external.credentials_secret_ref
        return table.ExternalAddress(
            url=spec.external.url,
            credential=table.CredentialRef(name=secret.name, key=secret.key) if secret else None,
            ca_bundle=spec.external.ca_bundle,
        )
    if spec.service:
        return table.ServiceAddress(
            namespace=namespace, service=spec.service.name, port=spec.service.port
        )
    port = (spec.deployment.port if spec.deployment else None) or names.DEFAULT_MODEL_PORT
    return table.ServiceAddress(
        namespace=namespace, service=names.service_name(backend.metadata.name), port=port
    )


def compile_backend(namespace: str, backend: ModelBackend) -> table.Backend:
    """One backend as the router needs it, presets applied."""
    spec, filled, cost = backend.spec, effective(backend.spec), backend.spec.cost
    return table.Backend(
        name=backend.metadata.name,
        model=spec.model,
        address=_address(namespace, backend),
        family=str(spec.family),
        context_window=filled.context_window,
        capabilities=tuple(str(capability) for capability in filled.capabilities),
        prices=_prices(cost) if cost and cost.replica_hour is None else (),
        currency=cost.currency if cost else "USD",
        activation=_activation(spec),
        max_concurrent=filled.max_concurrent,
        queue=_queue(spec),
        profile=profile_of(spec),
        max_data_class=vetting.max_data_class(backend),
    )


def _prices(cost: Cost) -> tuple[table.Price, ...]:
    later = [(datetime.fromisoformat(one.valid_from).timestamp(), one) for one in cost.changes]
    return (_price(0.0, cost), *(_price(*one) for one in sorted(later, key=lambda one: one[0])))


def _price(from_s: float, prices: Prices) -> table.Price:
    def pico(price: str) -> int:
        return int(parse_price(price) * 1_000_000)

    given, answered = prices.input_per_million, prices.output_per_million
    assert given, "the kind's rules ask for both"
    assert answered, "the kind's rules ask for both"
    return table.Price(
        from_s=from_s,
        input_pico=pico(given),
        output_pico=pico(answered),
        cached_pico=pico(prices.cached_input_per_million or given),
        reasoning_pico=pico(prices.reasoning_per_million or answered),
    )


def _activation(spec: ModelBackendSpec) -> table.Activation | None:
    asked, scaled = spec.activation, spec.queue_depth
    if asked is None:
        return None
    return table.Activation(
        mode=asked.mode.value,
        timeout_s=parse_duration(asked.timeout),
        max_held=asked.max_held_requests,
        at_once=(scaled and scaled.target_requests) or table.AT_ONCE,
    )


def _queue(spec: ModelBackendSpec) -> table.Activation | None:
    asked = spec.queue
    if asked is None:
        return None
    assert spec.max_concurrent_requests, "the kind's rules ask for it"
    return table.Activation(
        mode="Hold",
        timeout_s=parse_duration(asked.timeout),
        max_held=asked.max_held_requests,
        at_once=spec.max_concurrent_requests,
    )


def _budget(budget: Budget) -> table.Budget:
    return table.Budget(
        name=budget.name,
        scope=budget.scope.value,
        window=budget.window.value,
        enforce=budget.mode is BudgetMode.ENFORCE,
        limit=budget.tokens or int(Decimal(budget.amount or "0") * 10**9),
        currency=(budget.currency or "USD") if budget.amount is not None else "",
    )


def _capture(capture: Capture) -> table.Capture | None:
    if capture.mode == "None":
        return None
    return table.Capture(
        mode=capture.mode,
        keep_s=int(parse_duration(capture.retention)),
        percent=capture.sample_percent or 100,
        built_in=tuple(known.value for known in capture.redact.built_in),
        patterns=tuple(capture.redact.patterns),
    )


def _signals(asked: ImplicitFeedback) -> table.Signals:
    window_s = parse_duration(asked.retry_window) if "Retry" in asked.signals else 0.0
    return table.Signals(retry_window_s=window_s, abandoned="Abandoned" in asked.signals)


def compile_pins(namespace: str, backends: Backends, asked: Collection[str]) -> bytes | None:
    """
    The blob of backends that the operator asks itself; None where it asks none of those it has.

    No policy has to route to them. Raises TableError if it is larger than a router takes.
    """
    usable = {
        name: compile_backend(namespace, backend)
        for name in sorted(asked)
        if isinstance(backend := backends.get(name), ModelBackend)
    }
    if not usable:
        return None
    routes = tuple(
        table.Route(name=PINNED, targets=(table.Target(backend=name),)) for name in usable
    )
    return checked(
        table.encode(
            table.PolicyBlob(
                namespace=namespace, name=table.PINS, revision="", model_names=(), routes=routes,
                backends=usable,
            )
        )
    )  # fmt: skip


def checked(blob: bytes) -> bytes:
    """The same blob; raises TableError if it is larger than a router takes."""
    if len(blob) > table.MAX_BLOB_DECODED_BYTES:
        raise table.TableError(
            f"compiled policy has {len(blob):,} bytes, {table.MAX_BLOB_DECODED_BYTES:,} allowed"
        )
    if len(blob) > table.MAX_BLOB_BYTES:  # what is smaller unpacked, fits packed
        table.pack(blob)
    return blob


def compile_blob(
    *,
    namespace: str,
    policy: str,
    revision: str,
    spec: RoutingPolicySpec,
    backends: Backends,
    model_names: tuple[str, ...],
    learned: Learned | None = None,
) -> bytes:
    """The policy's blob as JSON; raises TableError if it is larger than a router takes."""
    known = {
        name: backend
        for name in sorted({name for _, name in references(spec)})
        if isinstance(backend := backends.get(name), ModelBackend)
    }
    out = vetting.left_out(spec, known, backends)
    usable = {
        name: msgspec.structs.replace(
            compile_backend(namespace, backend), approval=vetting.approved(spec, backend)
        )
        for name, backend in known.items()
        if name not in out
    }
    baseline = spec.baseline.name if spec.baseline and spec.baseline.name in known else ""
    # It gets no request: nobody has to approve of a comparison of prices.
    compared = {baseline: compile_backend(namespace, known[baseline])} if baseline else {}
    names_of_routes = (*(rule.name for rule in spec.rules_), "default")
    blob = table.encode(
        table.PolicyBlob(
            namespace=namespace,
            name=policy,
            revision=revision,
            model_names=model_names,
            routes=tuple(
                _route(name, ways, route, usable, out)
                for name, (_, ways, route) in zip(names_of_routes, spec.routes(), strict=True)
            ),
            backends=compared | usable,
            baseline=baseline,
            budgets=tuple(map(_budget, spec.budgets)),
            capture=_capture(spec.capture) if spec.capture else None,
            signals=_signals(spec.implicit_feedback) if spec.implicit_feedback else None,
            predictor=compile_chooser(spec, usable, learned),
            governance=vetting.compile_governance(spec.governance),
            review=reviewing.compile_human_review(spec, usable),
        )
    )
    return checked(blob)
