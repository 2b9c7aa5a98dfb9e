"""Which pod may dial which, by NetworkPolicies as their API's documentation says: no plugin runs.

A connection needs the consent of both ends: of every direction that some policy closes for a pod,
one rule of one such policy has to allow it.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A pod with its named ports, or an address outside the cluster."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str = "203.0.113.7"


def _selects(selector: Json | None, labels: Mapping[str, str]) -> bool:
    assert not (selector or {}).get("matchExpressions"), "not written by the chart"
    wanted: Mapping[str, str] = (selector or {}).get("matchLabels") or {}
    return wanted.items() <= labels.items()


def _is_peer(peer: Json, place: Place, own: str) -> bool:
    if "ipBlock" in peer:
        inside = ipaddress.ip_address(place.address) in ipaddress.ip_network(
            peer["ipBlock"]["cidr"]
        )
        return inside and not place.namespace
    if not place.namespace:
        return False
    if "namespaceSelector" in peer:
        about = {"kubernetes.io/metadata.name": place.namespace}
        if not _selects(peer["namespaceSelector"], about):
            return False
    elif place.namespace != own:
        return False
    return _selects(peer.get("podSelector"), place.labels)


def _is_port(rule: Json, target: Place, port: int, protocol: str) -> bool:
    ports: Sequence[Json] = rule.get("ports") or ()
    return not ports or any(
        one.get("protocol", "TCP") == protocol
        and port in (one["port"], target.ports.get(str(one["port"])))
        for one in ports
    )


def _allows(
    policies: Iterable[Json],
    here: Place,
    there: Place,
    *,
    port: int,
    direction: str,
    protocol: str,
) -> bool:
    key, side = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    target = here if direction == "Ingress" else there
    closed = [
        one
        for one in policies
        if one["metadata"]["namespace"] == here.namespace
        and direction in one["spec"]["policyTypes"]
        and _selects(one["spec"]["podSelector"], here.labels)
    ]
    if not closed:
        return True
    return any(
        _is_port(rule, target, port, protocol)
        and (
            not rule.get(side)
            or any(_is_peer(peer, there, here.namespace) for peer in rule[side])
        )
        for one in closed
        for rule in one["spec"].get(key) or ()
    )  # fmt: skip


def may_dial(
    policies: Sequence[Json], source: Place, target: Place, port: int, protocol: str = "TCP"
) -> bool:
    """True if both ends consent."""
    about: dict[str, Any] = {"port": port, "protocol": protocol}
    leaves = _allows(policies, source, target, direction="Egress", **about)
    return leaves and _allows(policies, target, source, direction="Ingress", **about)
