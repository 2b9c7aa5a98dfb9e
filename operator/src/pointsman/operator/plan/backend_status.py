"""Status of a ModelBackend, from what its pods, endpoints or address say.

| backend    | Available                      | Ready                                   |
|------------|--------------------------------|-----------------------------------------|
| deployment | a replica answers              | every replica of the wanted spec answers |
| the same, with QueueDepth | the same        | as many as minReplicas, and no other spec's |
| service    | a ready endpoint               | the same                                |
| external   | assumed: calls show it         | its address is allowed                  |

What is in the cluster becomes Ready only when every router that speaks knows an endpoint of it.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from pointsman.api import names
from pointsman.api.conditions import Condition, ConditionType, Reason, stamp
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid
from pointsman.operator.plan.children import Ownership, ownership, selector_of
from pointsman.operator.plan.drifting.telling import Drifting
from pointsman.operator.plan.evaluating.telling import Evaluating
from pointsman.operator.plan.failures import Failure, Unready, first_failure, unmade, unready
from pointsman.operator.plan.objects import Json, ObservedBackend, conditions_of, meta
from pointsman.operator.plan.scaling_status import ScalingStatus
from pointsman.operator.plan.table import describe


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What was observed around one backend; lists hold this backend's objects only."""

    deployment: Json | None = None
    service: Json | None = None
    """Its own Service, or the one that `spec.service` names."""
    pods: Sequence[Json] = ()
    slices: Sequence[Json] = ()
    """EndpointSlices of that Service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    ready: Condition
    available: Condition
    progressing: Condition | None = None
    stalled: bool = False
    """Meaningful when not ready: True needs a person, False is waited for."""
    fields: dict[str, Any] = field(default_factory=dict)


def _condition(kind: ConditionType, status: bool | None, reason: Reason, message: str) -> Condition:
    return Condition(type=kind, status=status, reason=reason, message=message)


def _both(status: bool, reason: Reason, message: str, *, stalled: bool = False) -> _Judged:
    return _Judged(
        ready=_condition(ConditionType.READY, status, reason, message),
        available=_condition(ConditionType.AVAILABLE, status, reason, message),
        stalled=stalled,
    )


_METADATA_HOSTS: Final = frozenset({"metadata", "metadata.google.internal"})
_METADATA_ADDRESS: Final = ipaddress.ip_address("fd00:ec2::254")


def _numeric_problem(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    if address.is_link_local or address == _METADATA_ADDRESS:
        return "is a link-local or metadata address"
    if address.is_unspecified or address.is_multicast:
        return "is no address of a server"
    return None


def address_problem(url: str, *, allow_loopback: bool) -> str | None:
    """Why this address may not be called, or None: no loopback, link-local or metadata address."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    loopback = host == "localhost" or host.endswith(".localhost")
    problem = "is a metadata address" if host in _METADATA_HOSTS else None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass  # a name: the router checks what it resolves to
    else:
        address = getattr(address, "ipv4_mapped", None) or address
        loopback, problem = address.is_loopback, _numeric_problem(address)
    if loopback and not allow_loopback:
        problem = "is a loopback address"
    return f"{host} {problem}" if problem else None


def _external(backend: ModelBackend, *, allow_loopback: bool) -> _Judged:
    external = backend.spec.external
    assert external is not None
    problem = address_problem(external.url, allow_loopback=allow_loopback)
    if problem:
        message = f"spec.external.url: {problem}"
        return _both(False, Reason.ADDRESS_NOT_ALLOWED, message, stalled=True)
    host = urlsplit(external.url).netloc
    judged = _both(True, Reason.EXTERNAL, f"requests go to {host}")
    judged.fields["endpoint"] = host
    return judged


def ready_endpoints(slices: Sequence[Json], service: Json | None, port: int) -> int:
    """Addresses that are ready on this Service port."""
    ports = ((service or {}).get("spec") or {}).get("ports") or ()
    wanted = next((str(p.get("name") or "") for p in ports if p.get("port") == port), None)
    if wanted is None:
        return 0
    return len(
        {
            address
            for item in slices
            if any(str(p.get("name") or "") == wanted for p in item.get("ports") or ())
            for endpoint in item.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready") is not False
            for address in endpoint.get("addresses") or ()
        }
    )


def _service(backend: ModelBackend, namespace: str, around: Surroundings) -> _Judged:
    service = backend.spec.service
    assert service is not None
    if around.service is None:
        message = f'spec.service.name: Service "{service.name}" not found'
        return _both(False, Reason.SERVICE_NOT_FOUND, message)
    spec = around.service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        message = (
            f'spec.service.name: Service "{service.name}" is an ExternalName, which has no '
            "endpoints; servers outside the cluster are for spec.external"
        )
        return _both(False, Reason.NO_ENDPOINTS, message, stalled=True)
    ports = spec.get("ports") or ()
    if all(p.get("port") != service.port for p in ports):
        message = f'spec.service.port: Service "{service.name}" has no port {service.port}'
        return _both(False, Reason.NO_ENDPOINTS, message)
    count = ready_endpoints(around.slices, around.service, service.port)
    if count == 0:
        message = f'Service "{service.name}" has no ready endpoint on port {service.port}'
        judged = _both(False, Reason.NO_ENDPOINTS, message)
    else:
        message = f"{count} ready endpoint{'s' if count > 1 else ''}"
        judged = _both(True, Reason.ENDPOINTS_AVAILABLE, message)
    judged.fields["readyReplicas"] = count
    judged.fields["endpoint"] = f"{service.name}.{namespace}.svc:{service.port}"
    return judged


@dataclass(frozen=True, slots=True)
class _Rollout:
    desired: int
    available: int
    updated: int
    replicas: int
    ready: int
    observed: bool
    """The Deployment controller has seen the spec that is stored, or all but its replicas."""
    overdue: bool
    least: int | None = None
    """Where the operator scales: how many have to answer; the others come and go."""

    @property
    def complete(self) -> bool:
        return (
            self.observed
            and self.updated == self.replicas == self.desired
            and self.available >= self.desired
        )

    @property
    def enough(self) -> bool:
        """There are as many as have to be, all of the wanted spec, and the load has its way."""
        return (
            self.least is not None
            and self.observed
            and not self.overdue
            and self.updated == self.replicas
            and self.available >= min(self.least, self.desired)
        )


def _rollout(deployment: Json, scaling: ScalingStatus | None) -> _Rollout:
    status, spec = deployment.get("status") or {}, deployment.get("spec") or {}
    generation = int(meta(deployment).get("generation") or 0)
    return _Rollout(
        desired=int(spec.get("replicas", 1)),
        available=int(status.get("availableReplicas") or 0),
        updated=int(status.get("updatedReplicas") or 0),
        replicas=int(status.get("replicas") or 0),
        ready=int(status.get("readyReplicas") or 0),
        observed=int(status.get("observedGeneration") or 0)
        >= (scaling.pods_since if scaling else generation),
        least=max(1, scaling.least) if scaling else None,
        overdue=any(
            c.get("type") == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded"
            for c in conditions_of(deployment)
        ),
    )


def _available(rollout: _Rollout) -> Condition:
    said = f"{rollout.available} of {rollout.desired} replicas available"
    if rollout.desired == 0:
        said = "no replicas are asked for"
        return _condition(ConditionType.AVAILABLE, False, Reason.SCALED_TO_ZERO, said)
    if rollout.available:
        return _condition(ConditionType.AVAILABLE, True, Reason.MINIMUM_REPLICAS_AVAILABLE, said)
    return _condition(ConditionType.AVAILABLE, False, Reason.MINIMUM_REPLICAS_UNAVAILABLE, said)


def _deployed(rollout: _Rollout, failure: Failure | None, waits: Unready | None) -> _Judged:
    available = _available(rollout)
    stalled = rollout.overdue and not (waits and waits.starts)
    if rollout.complete:
        reason = Reason.SCALED_TO_ZERO if rollout.desired == 0 else Reason.READY
        ready = _condition(ConditionType.READY, True, reason, available.message)
        progressing = _condition(
            ConditionType.PROGRESSING, False, Reason.ROLLOUT_COMPLETE, available.message
        )
        return _Judged(ready=ready, available=available, progressing=progressing)
    if rollout.enough and not failure:
        said = available.message
        ready = _condition(ConditionType.READY, True, Reason.READY, said)
        progressing = _condition(ConditionType.PROGRESSING, True, Reason.PROGRESSING, said)
        return _Judged(ready=ready, available=available, progressing=progressing)
    if failure:
        said = str(failure)
        ready = _condition(ConditionType.READY, False, Reason.POD_FAILING, said)
        progressing = _condition(ConditionType.PROGRESSING, False, Reason.POD_FAILING, said)
        stalled = stalled or not failure.passes
    elif rollout.observed and rollout.updated == rollout.replicas == rollout.desired:
        said = available.message
        if waits and (stalled or waits.restarts):
            said += f"; {waits}"
        reason = Reason.MINIMUM_REPLICAS_UNAVAILABLE
        ready = _condition(ConditionType.READY, False, reason, said)
        progressing = _condition(ConditionType.PROGRESSING, True, Reason.PROGRESSING, said)
    else:
        said = f"{rollout.updated} of {rollout.desired} replicas updated, {available.message}"
        ready = _condition(ConditionType.READY, False, Reason.PROGRESSING, said)
        progressing = _condition(ConditionType.PROGRESSING, True, Reason.PROGRESSING, said)
    return _Judged(ready=ready, available=available, progressing=progressing, stalled=stalled)


def _own(
    backend: ModelBackend,
    namespace: str,
    around: Surroundings,
    scaling: ScalingStatus | None,
    now: str,
) -> _Judged:
    uid, name = backend.metadata.uid, names.service_name(backend.metadata.name)
    owners: dict[str, Ownership] = {
        "Deployment": ownership(around.deployment, uid=uid),
        "Service": ownership(around.service, uid=uid),
    }
    for kind, owner in owners.items():
        if owner in {"Foreign", "Predecessor"}:
            message = f'{kind} "{name}" belongs to someone else'
            return _both(False, Reason.NAME_CONFLICT, message, stalled=owner == "Foreign")
    if around.deployment is None or around.service is None:
        return _both(False, Reason.PROGRESSING, f'Deployment and Service "{name}" are being made')
    rollout = _rollout(around.deployment, scaling)
    failure = first_failure(around.pods, now) or unmade(around.deployment)
    judged = _deployed(rollout, failure, unready(around.pods))
    deployment = backend.spec.deployment
    port = (deployment.port if deployment else None) or names.DEFAULT_MODEL_PORT
    selector = selector_of(backend.metadata.name)
    judged.fields.update(
        replicas=rollout.replicas,
        readyReplicas=rollout.ready,
        selector=",".join(f"{key}={value}" for key, value in selector.items()),
        endpoint=f"{name}.{namespace}.svc:{port}",
    )
    if failure and not judged.ready.status:
        judged.fields["lastFailure"] = failure.as_status()
    return judged


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Why a spec did not become a Deployment; what another one became goes on."""

    message: str
    refused: bool
    """It will be again; else it passes by itself."""


def _unwritten(judged: _Judged, why: Unwritten) -> _Judged:
    reason = Reason.INVALID if why.refused else Reason.PROGRESSING
    ready = _condition(ConditionType.READY, False, reason, why.message)
    available = judged.available
    if not available.status:
        available = replace(available, reason=reason, message=why.message)
    return replace(judged, ready=ready, available=available, progressing=None, stalled=why.refused)


def _kstatus(judged: _Judged) -> tuple[Condition, ...]:
    if judged.ready.status:
        return ()
    kind = ConditionType.STALLED if judged.stalled else ConditionType.RECONCILING
    return (_condition(kind, True, judged.ready.reason, judged.ready.message),)


def becomes_reachable(status: Json, stored: Json) -> bool:
    """
    True if `status` says for the first time of this generation that servers here are ready.

    Only then it matters whether routers know them already: one that was Ready stays so, for
    routers come and go, and who has no servers here has no endpoints to be known.
    """

    def told(about: Json, kind: ConditionType) -> bool:
        return any(
            c.get("type") == kind
            and c.get("status") == "True"
            and c.get("observedGeneration") == status["observedGeneration"]
            for c in about.get("conditions") or ()
        )

    return (
        told(status, ConditionType.READY)
        and told(status, ConditionType.AVAILABLE)
        and bool(status.get("readyReplicas"))
        and not told(stored, ConditionType.READY)
    )


def backend_status(
    observed: ObservedBackend,
    around: Surroundings,
    *,
    namespace: str,
    stored: Json,
    now: str,
    allow_loopback: bool = False,
    unreached: str = "",
    unwritten: Unwritten | None = None,
    degraded: Condition | None = None,
    scaling: ScalingStatus | None = None,
    vetted: Condition | None = None,
    drifting: Drifting | None = None,
    evaluated: Evaluating | None = None,
) -> dict[str, Any]:
    """
    The whole `status`; `stored` is the present one, `now` is RFC 3339.

    `unreached` says which router knows no endpoint of it yet: a server that some callers cannot
    reach is available and not Ready. `unwritten` is why its spec did not become a Deployment.
    `degraded` is there if routers get no answers, `scaling` if the operator scales it, `drifting`
    if it is watched for drift, `evaluated` if it is or was asked golden prompts, `vetted` where
    somebody asks for its approval.
    """
    backend = observed.parsed
    if isinstance(backend, Invalid):
        judged = _both(False, Reason.INVALID, describe(backend.problems), stalled=True)
    elif backend.spec.external:
        judged = _external(backend, allow_loopback=allow_loopback)
    elif backend.spec.service:
        judged = _service(backend, namespace, around)
    else:
        judged = _own(backend, namespace, around, scaling, now)
    if judged.available.reason == Reason.SCALED_TO_ZERO and (
        stored.get("observedGeneration") == observed.generation and "lastFailure" in stored
    ):  # its pods are gone with the requests that they were started for
        judged.fields["lastFailure"] = stored["lastFailure"]
    if unwritten:
        judged = _unwritten(judged, unwritten)
    if unreached and judged.ready.status:
        reason = Reason.AWAITING_ROUTERS
        judged = replace(judged, ready=_condition(ConditionType.READY, False, reason, unreached))
    beside = (
        judged.progressing,
        scaling.condition if scaling else None,
        vetted,
        degraded,
        drifting.condition if drifting else None,
        evaluated.condition if evaluated else None,
    )
    wanted = [judged.ready, judged.available, *(one for one in beside if one)]
    wanted.extend(_kstatus(judged))
    return {
        "observedGeneration": observed.generation,
        **judged.fields,
        **(scaling.fields if scaling else {}),
        **(drifting.fields if drifting else {}),
        **(evaluated.fields if evaluated else {}),
        "conditions": stamp(
            wanted, stored.get("conditions") or (), generation=observed.generation, now=now
        ),
    }
