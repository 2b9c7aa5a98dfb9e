"""Which endpoints answer for a Service port: pure, from EndpointSlices and Services.

Guarantees ready endpoints of exactly that port. EndpointSlices name target ports, so the Service
says which name its port has; a Service that cannot be read is no obstacle while its slices have
one port only. Refuses to guess among several: then it says None, and what was known stays.
"""

from collections.abc import Iterable, Mapping, Sequence

from pointsman.api.table import Endpoint, ServiceAddress
from pointsman.router.control.objects import EndpointSlice, Service, SliceEndpoint, SlicePort

LABEL_SERVICE_NAME = "kubernetes.io/service-name"


def by_service(slices: Iterable[EndpointSlice]) -> dict[str, list[EndpointSlice]]:
    """Slices of each Service, by its name; slices of no Service are left out."""
    found: dict[str, list[EndpointSlice]] = {}
    for item in slices:
        name = (item.metadata.labels or {}).get(LABEL_SERVICE_NAME)
        if name:
            found.setdefault(name, []).append(item)
    return found


def endpoints_of(
    address: ServiceAddress, service: Service | None, slices: Sequence[EndpointSlice]
) -> tuple[Endpoint, ...] | None:
    """
    Endpoints in a stable order; None if the port cannot be told without the Service.

    Ready ones; if none is ready, those that serve and do not terminate. Of a Service with both
    families IPv4 is used, so that no pod counts twice.
    """
    families = {item.addressType for item in slices}
    family = "IPv4" if "IPv4" in families else "IPv6"
    ready: set[Endpoint] = set()
    serving: set[Endpoint] = set()
    for item in slices:
        if item.addressType != family:
            continue
        ports = item.ports or ()
        if service is None and len(ports) > 1:
            return None
        number = _target(address.port, service, ports)
        if number is None:
            continue
        for one in item.endpoints or ():
            if one.addresses:
                (ready if _ready(one) else serving if _serving(one) else set()).add(
                    Endpoint(host=one.addresses[0], port=number)
                )
    return tuple(sorted(ready or serving, key=lambda endpoint: (endpoint.host, endpoint.port)))


def count_ready(slices: Iterable[EndpointSlice]) -> int:
    """How many pods of a Service are ready, whatever its ports."""
    found: dict[str, set[str]] = {}
    for item in slices:
        for one in item.endpoints or ():
            if one.addresses and _ready(one):
                found.setdefault(item.addressType, set()).add(one.addresses[0])
    return max(map(len, found.values()), default=0)


def resolve(
    addresses: Iterable[ServiceAddress],
    namespace: str,
    services: Mapping[str, Service] | None,
    slices: Mapping[str, Sequence[EndpointSlice]],
    known: Mapping[str, tuple[Endpoint, ...]],
) -> dict[str, tuple[Endpoint, ...]]:
    """Endpoints of all addresses of this namespace; `services` is None until they were read."""
    found: dict[str, tuple[Endpoint, ...]] = {}
    for address in addresses:
        if address.namespace != namespace:
            continue
        own = slices.get(address.service, ())
        service = (services or {}).get(address.service)
        endpoints = endpoints_of(address, service, own)
        found[address.key] = known.get(address.key, ()) if endpoints is None else endpoints
    return found


def _target(port: int, service: Service | None, ports: Sequence[SlicePort]) -> int | None:
    if service is None or not service.spec.ports:
        # Not readable, or headless without ports: then there is one target port, or none.
        return ports[0].port if len(ports) == 1 else None
    names = {p.name for p in service.spec.ports if p.port == port and p.protocol == "TCP"}
    return next((p.port for p in ports if (p.name or "") in names), None)


def _ready(endpoint: SliceEndpoint) -> bool:
    conditions = endpoint.conditions
    return conditions.ready is not False and not conditions.terminating


def _serving(endpoint: SliceEndpoint) -> bool:
    conditions = endpoint.conditions
    return bool(conditions.serving) and not conditions.terminating
