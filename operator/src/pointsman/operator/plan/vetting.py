"""PURE: which backends a policy may use, by what they state of themselves.

What is not stated counts as not so. Time is looked at only to tell: a compiled policy holds when an
approval begins and ends, and routers keep to it without the operator.
"""

from collections.abc import Iterable, Mapping

from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.api.dataclass import RANKS
from pointsman.api.governed import Approved, Governed
from pointsman.api.quantity import parse_duration
from pointsman.api.v1alpha1 import (
    Approval,
    DataHandling,
    Detection,
    Governance,
    ModelBackend,
    PolicyGovernance,
    RoutingPolicySpec,
)
from pointsman.api.validation import Invalid

SHOWN = 8
"""Backends named in one message; the rest is counted."""

_NOTHING = Governance()
_UNKNOWN = DataHandling()


def lacking(  # noqa: PLR0911 - a table
    asks: PolicyGovernance, about: Governance | None
) -> tuple[Reason, str] | None:
    """The first thing that is asked for and not stated, whatever the time; None: all is."""
    about = about or _NOTHING
    wanted, data = asks.require, about.data_handling or _UNKNOWN
    if wanted is not None:
        if wanted.approved and about.approval is None:
            return Reason.NOT_APPROVED, "it has no governance.approval"
        if wanted.licenses and about.license not in wanted.licenses:
            said = f"its license is {about.license}" if about.license else "it states no license"
            return Reason.LICENSE_NOT_ALLOWED, said
        outside = [one for one in data.regions if one not in wanted.regions]
        if wanted.regions and (outside or not data.regions):
            said = f"it works in {', '.join(outside)}" if outside else "it states no regions"
            return Reason.REGION_NOT_ALLOWED, said
        if missing := [one for one in wanted.certifications if one not in data.certifications]:
            return Reason.NOT_CERTIFIED, f"it lacks {', '.join(missing)}"
        if wanted.no_training and data.training_use is not False:
            return Reason.TRAINING_NOT_RULED_OUT, "it does not state trainingUse: false"
        if wanted.max_retention is not None and _kept_too_long(data, wanted.max_retention):
            kept = f"it keeps texts for {data.retention}" if data.retention else "it states none"
            return Reason.RETENTION_TOO_LONG, f"{kept}, {wanted.max_retention} is allowed"
    takes = data.max_data_class or "Public"
    if asks.data_class is not None and RANKS[takes] < RANKS[asks.data_class]:
        return Reason.DATA_CLASS_NOT_ALLOWED, f"it takes {takes}, not {asks.data_class}"
    return None


def _kept_too_long(data: DataHandling, most: str) -> bool:
    return data.retention is None or parse_duration(data.retention) > parse_duration(most)


def lapsed(approval: Approval, now_s: float) -> tuple[Reason, str] | None:
    """Why an approval does not hold at this moment; None: it does."""
    if now_s < approval.from_s:
        return Reason.APPROVAL_NOT_BEGUN, f"its approval begins at {approval.approved_at}"
    if now_s >= approval.until_s:
        return Reason.APPROVAL_EXPIRED, f"its approval ended at {approval.expires_at}"
    return None


def left_out(
    spec: RoutingPolicySpec,
    names: Iterable[str],
    backends: Mapping[str, ModelBackend | Invalid],
    *,
    now_s: float | None = None,
) -> dict[str, tuple[Reason, str]]:
    """Of these backends those that the policy may not use, and why; without `now_s` ever."""
    asks = spec.governance
    found: dict[str, tuple[Reason, str]] = {}
    for name in names if asks else ():
        backend = backends.get(name)
        if not isinstance(backend, ModelBackend) or asks is None:
            continue
        about = backend.spec.governance
        why = lacking(asks, about)
        timed = requires_approval(spec) and about is not None and about.approval is not None
        if why is None and timed and now_s is not None and about and about.approval:
            why = lapsed(about.approval, now_s)
        if why is not None:
            found[name] = why
    return found


def requires_approval(spec: RoutingPolicySpec) -> bool:
    """Whether only approved backends may be used."""
    asks = spec.governance
    return bool(asks and asks.require and asks.require.approved)


def approved(spec: RoutingPolicySpec, backend: ModelBackend) -> Approved | None:
    """When this backend may be used under this policy; None: at any time."""
    about = backend.spec.governance
    if not requires_approval(spec) or about is None or about.approval is None:
        return None
    return Approved(from_s=about.approval.from_s, until_s=about.approval.until_s)


def max_data_class(backend: ModelBackend) -> str:
    """As the table says it: empty is Public."""
    about = backend.spec.governance
    handling = about.data_handling if about else None
    return str(handling.max_data_class or "") if handling else ""


def compile_governance(asks: PolicyGovernance | None) -> Governed | None:
    """What routers have to know to tell the class of a request."""
    if asks is None:
        return None
    found: Detection | None = asks.detect
    return Governed(
        data_class=str(asks.data_class or ""),
        detected=str(found.data_class) if found else "",
        built_in=tuple(known.value for known in found.built_in) if found else (),
        patterns=tuple(found.patterns) if found else (),
    )


def judged(
    spec: RoutingPolicySpec,
    references: Iterable[tuple[str, str]],
    backends: Mapping[str, ModelBackend | Invalid],
    *,
    now_s: float | None,
) -> Condition | None:
    """Vetted of a policy; `references` are (path, backend). None where it asks for nothing."""
    if spec.governance is None:
        return None
    places: dict[str, str] = {}
    for path, name in references:
        if not path.startswith("spec.baseline"):  # it gets no request
            places.setdefault(name, path)
    out = left_out(spec, places, backends, now_s=now_s)
    told = [f"{places[name]}: {name}: {reason}, {why}" for name, (reason, why) in out.items()]
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return Condition(
        type=ConditionType.VETTED,
        status=not out,
        reason=Reason.BACKENDS_LEFT_OUT if out else Reason.BACKENDS_VETTED,
        message="left out: " + "; ".join(told[:SHOWN]) + more
        if out
        else "every backend that it names meets spec.governance",
    )


def backend_condition(
    backend: ModelBackend, required_by: tuple[str, ...], *, now_s: float
) -> Condition | None:
    """Vetted of a backend; None where neither it nor a policy that names it asks for approval."""
    about = backend.spec.governance
    if about is None and not required_by:
        return None
    approval = about.approval if about else None
    kind = ConditionType.VETTED
    if approval is None:
        names = ", ".join(required_by)
        more = f", which RoutingPolicy {names} requires" if names else ""
        message = f"it has no governance.approval{more}"
        return Condition(type=kind, status=False, reason=Reason.NOT_APPROVED, message=message)
    if (why := lapsed(approval, now_s)) is not None:
        return Condition(type=kind, status=False, reason=why[0], message=why[1])
    message = f"approved by {approval.by} until {approval.expires_at}"
    return Condition(type=kind, status=True, reason=Reason.APPROVED, message=message)
