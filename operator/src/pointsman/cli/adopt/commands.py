"""`pointsman adopt`: reads the policy and its revision; writes nothing but YAML on standard output.

| exit status |                                                                                    |
| 0           | printed                                                                            |
| 1           | kubectl failed, or the file cannot be merged with what was learned                 |
| 2           | wrong usage                                                                        |
| 3           | there is nothing to adopt: nothing was learned, or it is not in force (yet)        |
"""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

import yaml

from pointsman.api import names
from pointsman.api.text import Unreadable, text_of
from pointsman.api.v1alpha1 import RoutingPolicy
from pointsman.api.validation import Invalid, parse
from pointsman.cli.adopt.merging import CannotMerge, merged, spec_of
from pointsman.cli.listing.arguments import cluster_flags
from pointsman.cli.rollout.kubectl import Failed, Kubectl

_KIND = f"{names.PLURALS[names.ROUTING_POLICY]}.{names.GROUP}"
_MOST_CHARS = 116
Json = Mapping[str, Any]


class NothingToAdopt(Exception):
    """Why there is none."""


def adopt(options: argparse.Namespace) -> int:
    """See the table above."""
    try:
        found = _adopted(Kubectl(cluster_flags(options)), options)
    except NothingToAdopt as error:
        print(f"pointsman adopt: {error}", file=sys.stderr)
        return 3
    except (Failed, CannotMerge) as error:
        print(f"pointsman adopt: {error}", file=sys.stderr)
        return 1
    print(found, end="")
    return 0


def _adopted(kubectl: Kubectl, options: argparse.Namespace) -> str:
    item = kubectl.get(_KIND, options.name)
    status = item.get("status") or {}
    learned = _learned(item, status)
    revision = kubectl.get("controllerrevisions", learned["revision"])
    spec = revision.get("data")
    if not isinstance(spec, Mapping):
        raise Failed(f"revision {learned['revision']} holds no spec")
    why = [
        f"Learned: {learned['revision']} ({learned.get('cause', '?')}, {learned.get('time', '?')})",
        *(f"  {line}" for line in learned.get("diff", ())),
        *(f"  {line}" for line in learned.get("reasons", ())),
    ]
    why = [line if len(line) <= _MOST_CHARS else f"{line[:_MOST_CHARS]}..." for line in why]
    try:
        text = text_of(options.file) if options.file else _text_of(item)
        found = merged(text, options.name, item["spec"], spec, why)
    except (CannotMerge, Unreadable) as error:
        raise CannotMerge(f"{options.file or options.name}: {error}") from None
    _proven(found, options.name, spec)
    return found


def _learned(item: Json, status: Json) -> Json:
    """`status.learned` of what is in force."""
    name, learned = item["metadata"]["name"], status.get("learned") or {}
    if status.get("observedGeneration") != item["metadata"].get("generation"):
        raise NothingToAdopt("the operator has not seen the edit yet")
    if "revision" not in learned:
        more = f": {learned['message']}" if "message" in learned else ""
        raise NothingToAdopt(f"nothing was learned, {name} runs as its spec says{more}")
    if learned["revision"] != status.get("activeRevision"):
        raise NothingToAdopt(
            f"{learned['revision']} is not in force yet: see `pointsman rollout status {name}`"
        )
    found: Json = learned
    return found


def _text_of(item: Json) -> str:
    """As a file: without what the API server and kubectl add, fields in the order of the kind."""
    about = item["metadata"]
    annotations = {
        key: value
        for key, value in (about.get("annotations") or {}).items()
        if not key.startswith(("kubectl.kubernetes.io/", f"{names.GROUP}/rollout-"))
    }
    metadata = {
        "name": about["name"],
        **({"namespace": about["namespace"]} if "namespace" in about else {}),
        **({"labels": about["labels"]} if about.get("labels") else {}),
        **({"annotations": annotations} if annotations else {}),
    }
    whole = {"apiVersion": names.API_VERSION, "kind": names.ROUTING_POLICY, "metadata": metadata}
    return yaml.safe_dump({**whole, "spec": _ordered(item)}, sort_keys=False, allow_unicode=True)


def _ordered(item: Json) -> Any:
    """Fields that this release does not know would be lost: then as the API server has them."""
    bare = {"metadata": {"name": item["metadata"]["name"]}, "spec": item["spec"]}
    try:
        found = parse(RoutingPolicy, bare)
    except Invalid:
        return item["spec"]
    return found.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _proven(text: str, name: str, spec: Json) -> None:
    """What is printed says what was learned; nothing else is printed."""
    if _weights(spec_of(text, name)) != _weights(spec):
        raise CannotMerge("the result would not be what was learned; change it by hand")


def _weights(spec: Json) -> list[Any]:
    return [
        (
            [(t["backendRef"]["name"], t.get("weight", 1)) for t in route["targets"]],
            [ref["name"] for ref in (route.get("fallback") or {}).get("chain") or ()],
        )
        for route in (*(spec.get("rules") or ()), spec["default"])
    ]
