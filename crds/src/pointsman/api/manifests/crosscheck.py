"""What can be known without a cluster, and is more than one object's schema.

Pure but for the names of time zones, which this machine knows. Errors are what the operator would
not accept or could not route; a rule that can never match is accepted by the operator too, and so
only warned of. Objects are matched within a namespace.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from pointsman.api import hosts
from pointsman.api.conditions import Reason
from pointsman.api.manifests.finding import Finding, Item, Loaded, Severity
from pointsman.api.names import (
    ANNOTATION_ALLOWED_HOSTS,
    EVALUATION_SUITE,
    LABEL_CREDENTIAL,
    MODEL_BACKEND,
    ROUTING_POLICY,
)
from pointsman.api.presets import effective
from pointsman.api.spelling import did_you_mean
from pointsman.api.v1alpha1 import (
    Capability,
    Cost,
    FallbackOn,
    ModelBackend,
    ModelBackendSpec,
    RoutingPolicy,
)
from pointsman.api.v1alpha1.shadowing import never_matching
from pointsman.api.validation import Problem


def cross_check(loaded: Loaded) -> tuple[Finding, ...]:
    """Every finding over the loaded objects, by file and line."""
    findings = [
        *_duplicates(loaded),
        *_references(loaded),
        *_model_names(loaded.policies),
        *_rules(loaded.policies),
        *_credentials(loaded),
        *_time_zones(loaded),
        *_spills(loaded),
        *_capabilities(loaded),
        *_baselines(loaded),
        *_predictors(loaded),
        *_budgets(loaded),
        *_evaluations(loaded),
        *_draws(loaded),
    ]
    return tuple(sorted(findings, key=lambda finding: finding.position))


def _duplicates(loaded: Loaded) -> Iterator[Finding]:
    seen: dict[tuple[str, ...], Item[Any]] = {}
    for key, item in _named(loaded):
        first = seen.setdefault(key, item)
        if first is not item:
            *_, kind, namespace, name = key
            message = f"{kind} {namespace}/{name} is already in {first.position()}"
            yield item.finding("metadata.name", message, Reason.NAME_CONFLICT)


def _named(loaded: Loaded) -> Iterator[tuple[tuple[str, ...], Item[Any]]]:
    for backend in loaded.backends:
        meta = backend.value.metadata
        yield ("", MODEL_BACKEND, meta.namespace, meta.name), backend
    for policy in loaded.policies:
        meta = policy.value.metadata
        yield ("", ROUTING_POLICY, meta.namespace, meta.name), policy
    for suite in loaded.suites:
        meta = suite.value.metadata
        yield ("", EVALUATION_SUITE, meta.namespace, meta.name), suite
    for other in loaded.others:
        metadata = _mapping(other.value.get("metadata"))
        if "name" in metadata:
            namespace = str(metadata.get("namespace", "default"))
            group = str(other.value["apiVersion"]).rpartition("/")[0]
            yield (group, str(other.value["kind"]), namespace, str(metadata["name"])), other


def _references(loaded: Loaded) -> Iterator[Finding]:
    """Silent where something was not read: it may be what is missing, and its own line says so."""
    if loaded.unread:
        return
    known: dict[str, list[str]] = {}
    for namespace, name in loaded.broken_backends:
        known.setdefault(namespace, []).append(name)
    for backend in loaded.backends:
        known.setdefault(backend.value.metadata.namespace, []).append(backend.value.metadata.name)
    for policy in loaded.policies:
        names = known.get(policy.value.metadata.namespace, [])
        for path, name in _backend_names(policy.value):
            if name not in names:
                message = f"no ModelBackend {name} among these files{did_you_mean(name, names)}"
                yield policy.finding(path, message, Reason.BACKEND_NOT_FOUND)


def _backend_names(policy: RoutingPolicy) -> Iterator[tuple[str, str]]:
    yield from _asked_names(policy)
    if policy.spec.baseline:
        yield "spec.baseline.name", policy.spec.baseline.name


def _asked_names(policy: RoutingPolicy) -> Iterator[tuple[str, str]]:
    """Of backends that requests go to."""
    for path, _, route in policy.spec.routes():
        for i, target in enumerate(route.targets):
            yield f"{path}.targets[{i}].backendRef.name", target.backend_ref.name
        for i, ref in enumerate(route.fallback.chain if route.fallback else ()):
            yield f"{path}.fallback.chain[{i}].name", ref.name
    predictor = policy.spec.predictor
    for i, ref in enumerate(predictor.candidates if predictor else ()):
        yield f"spec.predictor.candidates[{i}].name", ref.name
    asked = policy.spec.human_review
    if asked is not None and asked.fallback_ref is not None:
        yield "spec.humanReview.fallbackRef.name", asked.fallback_ref.name
    for i, ref in enumerate(asked.escalate_to if asked else ()):
        yield f"spec.humanReview.escalateTo[{i}].name", ref.name


def _evaluations(loaded: Loaded) -> Iterator[Finding]:
    """A suite that is not among the files may exist: until it does, nothing is run."""
    for backend in loaded.backends if not loaded.unread else ():
        evaluation, namespace = backend.value.spec.evaluation, backend.value.metadata.namespace
        suites = [one.value.metadata for one in loaded.suites]
        names = [one.name for one in suites if one.namespace == namespace]
        if evaluation is not None and evaluation.suite_ref.name not in names:
            path, name = "spec.evaluation.suiteRef.name", evaluation.suite_ref.name
            message = f"no EvaluationSuite {name} among these files{did_you_mean(name, names)}"
            problem = Problem(path, message, Reason.SUITE_NOT_FOUND)
            yield Finding(backend.position(path), problem, Severity.WARNING)


def _draws(loaded: Loaded) -> Iterator[Finding]:
    """A policy that is not among the files may exist: until its texts are kept, nothing is run."""
    for suite in loaded.suites if not loaded.unread else ():
        ledger, namespace = suite.value.spec.ledger, suite.value.metadata.namespace
        if ledger is None:
            continue
        path, name = "spec.ledger.policyRef.name", ledger.policy_ref.name
        found = {
            one.value.metadata.name: one.value.spec.capture
            for one in loaded.policies
            if one.value.metadata.namespace == namespace
        }
        capture = found.get(name)
        if name not in found:
            message = f"no RoutingPolicy {name} among these files{did_you_mean(name, list(found))}"
            problem = Problem(path, message, Reason.POLICY_NOT_FOUND)
        elif capture is None or capture.mode not in ("Sampled", "Full"):
            message = f"RoutingPolicy {name} lets no texts be kept: capture is not Sampled or Full"
            problem = Problem(path, message, Reason.TEXTS_NOT_KEPT)
        else:
            continue
        yield Finding(suite.position(path), problem, Severity.WARNING)


def _model_names(policies: Iterable[Item[RoutingPolicy]]) -> Iterator[Finding]:
    claimed: dict[tuple[str, str], Item[RoutingPolicy]] = {}
    for policy in policies:
        meta = policy.value.metadata
        for i, name in enumerate(policy.value.spec.model_names):
            first = claimed.setdefault((meta.namespace, name), policy)
            if first.value.metadata.name != meta.name:
                message = (
                    f"model name {name} is already claimed by RoutingPolicy "
                    f"{first.value.metadata.name} in {first.position()}; only the older one has it"
                )
                yield policy.finding(f"spec.modelNames[{i}]", message, Reason.MODEL_NAME_CONFLICT)


def _rules(policies: Iterable[Item[RoutingPolicy]]) -> Iterator[Finding]:
    for policy in policies:
        for warning in never_matching(policy.value.spec):
            yield Finding(policy.position(warning.path), warning, Severity.WARNING)


def _credentials(loaded: Loaded) -> Iterator[Finding]:
    """A Secret among the files that the router would not use; one that is not there may exist."""
    secrets = {key[2:]: item.value for key, item in _named(loaded) if key[:2] == ("", "Secret")}
    for backend in loaded.backends:
        external, meta = backend.value.spec.external, backend.value.metadata
        if external is None or external.credentials_secret_ref is None:
            continue
        ref = external.credentials_secret_ref
        secret = secrets.get((meta.namespace, ref.name))
        if secret is None:
            continue
        path, reason = "spec.external.credentialsSecretRef", Reason.SECRET_NOT_ALLOWED
        if message := _secret_problem(secret, ref.key, external.url):
            yield backend.finding(path, f"Secret {ref.name} {message}", reason)
        elif not (secret.get("data") or secret.get("stringData")):
            message = f"Secret {ref.name} has no value in these files: it has to be put in apart"
            yield backend.finding(path, message, reason, Severity.WARNING)


def _secret_problem(secret: dict[str, Any], key: str, url: str) -> str:
    metadata = _mapping(secret.get("metadata"))
    host = hosts.host_of(url)
    if _mapping(metadata.get("labels")).get(LABEL_CREDENTIAL) != "true":
        return f'lacks the label {LABEL_CREDENTIAL}: "true"'
    allowed = str(_mapping(metadata.get("annotations")).get(ANNOTATION_ALLOWED_HOSTS, ""))
    if host is None or not hosts.covers(hosts.split_allowed(allowed), host):
        return f"does not allow {host or url} in its annotation {ANNOTATION_ALLOWED_HOSTS}"
    values = _mapping(secret.get("data")) | _mapping(secret.get("stringData"))
    if values and key not in values:
        return f"has no key {key}"
    return ""


def _time_zones(loaded: Loaded) -> Iterator[Finding]:
    """Schedules in a zone that there is not; silent on a machine that knows none."""
    if not _is_zone("UTC"):
        return
    for backend in loaded.backends:
        scaling = backend.value.spec.scaling
        for i, schedule in enumerate(scaling.schedules or () if scaling else ()):
            if not _is_zone(schedule.time_zone):
                message = f'"{schedule.time_zone}" is no time zone that is known here'
                yield backend.finding(
                    f"spec.scaling.schedules[{i}].timeZone", message, Reason.INVALID
                )


def _spills(loaded: Loaded) -> Iterator[Finding]:
    """`Saturated` that cannot come about, or that hides a load from what scales by it."""
    known = {(b.value.metadata.namespace, b.value.metadata.name): b for b in loaded.backends}
    passed: dict[str, Item[ModelBackend]] = {}
    for policy in loaded.policies:
        namespace = policy.value.metadata.namespace
        for path, _, route in policy.value.spec.routes():
            if route.fallback is None or FallbackOn.SATURATED not in route.fallback.when:
                continue
            refs = [*(t.backend_ref for t in route.targets), *route.fallback.chain[:-1]]
            found = [known[key] for ref in refs if (key := (namespace, ref.name)) in known]
            passed |= {f"{namespace}/{item.value.metadata.name}": item for item in found}
            if len(found) == len(refs) and not any(_fills(item.value.spec) for item in found):
                message = (
                    "Saturated never comes about: no backend before the last one has "
                    "maxConcurrentRequests or activation"
                )
                field = f"{path}.fallback.when"
                yield policy.finding(field, message, Reason.INVALID, Severity.WARNING)
    for item in passed.values():
        scaled, most = item.value.spec.queue_depth, effective(item.value.spec).max_concurrent
        if scaled and scaled.target_requests and most and scaled.target_requests >= most:
            message = (
                f"more than {most} requests go to the next backend (Saturated), so that a load "
                "above this target is never seen: choose less than maxConcurrentRequests"
            )
            field = "spec.scaling.targetRequests"
            yield item.finding(field, message, Reason.INVALID, Severity.WARNING)


def _capabilities(loaded: Loaded) -> Iterator[Finding]:
    """A rule for tools or images whose backends skip all of its requests."""
    known = {
        (b.value.metadata.namespace, b.value.metadata.name): effective(b.value.spec).capabilities
        for b in loaded.backends
    }
    for policy in loaded.policies:
        for path, ways, route in policy.value.spec.routes():
            chain = route.fallback.chain if route.fallback else ()
            refs = [*(t.backend_ref for t in route.targets), *chain]
            keys = [(policy.value.metadata.namespace, ref.name) for ref in refs]
            for field, needed in (("tools", Capability.TOOLS), ("images", Capability.VISION)):
                asked = bool(ways) and all(getattr(way, field) for way in ways)
                if asked and all(key in known and needed not in known[key] for key in keys):
                    message = (
                        f"{field}: true, but none of its backends has {needed} in "
                        "spec.capabilities: they skip every request of this rule"
                    )
                    yield policy.finding(path, message, Reason.INVALID, Severity.WARNING)


def _costs(loaded: Loaded) -> Mapping[tuple[str, str], Cost | None]:
    """By namespace and name of the backend."""
    return {
        (b.value.metadata.namespace, b.value.metadata.name): b.value.spec.cost
        for b in loaded.backends
    }


def _baselines(loaded: Loaded) -> Iterator[Finding]:
    """Savings that are never told: there is nothing to compare."""
    known = _costs(loaded)
    for policy in loaded.policies:
        baseline, namespace = policy.value.spec.baseline, policy.value.metadata.namespace
        if baseline is None or (namespace, baseline.name) not in known:
            continue
        cost = known[namespace, baseline.name]
        used = [known.get((namespace, name)) for _, name in _backend_names(policy.value)]
        if cost is None or cost.replica_hour is not None:
            missing = "no prices of tokens" if cost else "no cost"
            message = f"ModelBackend {baseline.name} has {missing}, so that no savings can be told"
        elif others := {one.currency for one in used if one} - {cost.currency}:
            message = (
                f"its prices are in {cost.currency}: no savings are told of requests that are "
                f"paid in {', '.join(sorted(others))}"
            )
        else:
            continue
        yield policy.finding("spec.baseline", message, Reason.INVALID, Severity.WARNING)


def _predictors(loaded: Loaded) -> Iterator[Finding]:
    """What a predictor is told and cannot do: compare prices, or explore while it observes."""
    known = _costs(loaded)
    for policy in loaded.policies:
        predictor, namespace = policy.value.spec.predictor, policy.value.metadata.namespace
        if predictor is None or predictor.mode == "None":
            continue
        if predictor.exploration_percent and predictor.mode == "Observe":
            path, message = "spec.predictor.explorationPercent", "only mode Apply explores"
            yield policy.finding(path, message, Reason.INVALID, Severity.WARNING)
        refs = predictor.candidates or [
            ref
            for _, _, route in policy.value.spec.routes()
            for ref in (
                *(target.backend_ref for target in route.targets),
                *(route.fallback.chain if route.fallback else ()),
            )
        ]
        names = {ref.name for ref in refs}
        currencies = {one.currency for n in names if (one := known.get((namespace, n)))}
        if len(currencies) > 1 and predictor.objective.prefer != "Quality":
            message = f"prices in {', '.join(sorted(currencies))} are not compared: cost is ignored"
            path = "spec.predictor.objective"
            yield policy.finding(path, message, Reason.INVALID, Severity.WARNING)


def _budgets(loaded: Loaded) -> Iterator[Finding]:
    """Budgets in money that count nothing of what some of their backends cost."""
    known = _costs(loaded)
    for policy in loaded.policies:
        namespace = policy.value.metadata.namespace
        names = dict.fromkeys(name for _, name in _asked_names(policy.value))
        costs = {name: known[namespace, name] for name in names if (namespace, name) in known}
        for i, budget in enumerate(policy.value.spec.budgets):
            if budget.amount is None:
                continue
            currency = budget.currency or "USD"
            whys = {name: _unseen(cost, currency) for name, cost in costs.items()}
            unseen = [f"{name} ({why})" for name, why in whys.items() if why]
            if unseen:
                message = f"sees no cost of requests to {', '.join(unseen)}"
                field = f"spec.budgets[{i}].amount"
                yield policy.finding(field, message, Reason.INVALID, Severity.WARNING)


def _unseen(cost: Cost | None, currency: str) -> str:
    """Why a budget in this currency counts nothing of it; empty if it counts."""
    if cost is None:
        return "no cost"
    if cost.replica_hour is not None:
        return "paid by the hour"
    return "" if cost.currency == currency else f"paid in {cost.currency}"


def _fills(spec: ModelBackendSpec) -> bool:
    return spec.activation is not None or effective(spec).max_concurrent is not None


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
