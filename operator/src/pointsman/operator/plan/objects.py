"""Foreign objects, narrowed: raw Kubernetes JSON in, typed values of ours out.

An object that cannot be parsed becomes Invalid, a value: one poisoned object never stops others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pointsman.api.v1alpha1 import ModelBackend, RoutingPolicy
from pointsman.api.validation import ApiModel, Invalid, Problem, parse
from pointsman.operator.plan.blobs import named

Json = Mapping[str, Any]
"""One Kubernetes object, as JSON."""

M = TypeVar("M", bound=ApiModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPolicy:
    """One RoutingPolicy as stored; `created` is RFC 3339 and orders policies by age."""

    name: str
    uid: str
    generation: int
    created: str
    spec: Json
    parsed: RoutingPolicy | Invalid
    named: tuple[str, ...]
    """The backends that it names: `blobs.named` of what was parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedBackend:
    """One ModelBackend as stored."""

    name: str
    uid: str
    generation: int
    parsed: ModelBackend | Invalid


def meta(item: Json) -> Json:
    """`metadata`, or nothing."""
    value = item.get("metadata")
    return value if isinstance(value, Mapping) else {}


def name_of(item: Json) -> str:
    """`metadata.name`, or an empty string."""
    return str(meta(item).get("name", ""))


def labels_of(item: Json) -> Mapping[str, str]:
    """`metadata.labels`, or nothing."""
    return meta(item).get("labels") or {}


def annotations_of(item: Json) -> Mapping[str, str]:
    """`metadata.annotations`, or nothing."""
    return meta(item).get("annotations") or {}


def controller_of(item: Json) -> Json:
    """The owner reference with `controller: true`, or nothing."""
    owners = meta(item).get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def conditions_of(item: Json) -> list[Json]:
    """`status.conditions`, or nothing."""
    return list((item.get("status") or {}).get("conditions") or ())


def parsed(model: type[M], item: Json) -> M | Invalid:
    """The object as a kind of ours, without its status; Invalid if anything in it is wrong."""
    wanted = {key: item[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in item}
    try:
        return parse(model, wanted, unknown="drop")
    except Invalid as invalid:
        return invalid
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        problem = Problem(path="spec", message=f"cannot be read: {type(error).__name__}: {error}")
        return Invalid((problem,))


def identity(item: Json) -> tuple[object, ...]:
    """What an object is parsed from: equal ones are parsed alike, whatever their status says."""
    about = meta(item)
    named = (about.get("name"), about.get("uid"), about.get("generation"), about.get("labels"))
    return (*named, about.get("deletionTimestamp"), item.get("spec"))


def observed_policy(item: Json) -> ObservedPolicy:
    """A RoutingPolicy from the API server or from a file."""
    about, policy = meta(item), parsed(RoutingPolicy, item)
    return ObservedPolicy(
        name=name_of(item),
        uid=str(about.get("uid", "")),
        generation=int(about.get("generation") or 1),
        created=str(about.get("creationTimestamp") or ""),
        spec=item.get("spec") or {},
        parsed=policy,
        named=named(policy),
    )


def observed_backend(item: Json) -> ObservedBackend:
    """A ModelBackend from the API server or from a file."""
    about = meta(item)
    return ObservedBackend(
        name=name_of(item),
        uid=str(about.get("uid", "")),
        generation=int(about.get("generation") or 1),
        parsed=parsed(ModelBackend, item),
    )
