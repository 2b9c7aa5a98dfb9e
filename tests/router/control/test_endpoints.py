"""Which endpoints answer for a Service port."""

from typing import Any

import msgspec

from pointsman.api.table import Endpoint, ServiceAddress
from pointsman.router.control.endpoints import by_service, count_ready, endpoints_of, resolve
from pointsman.router.control.objects import EndpointSlice, Service
from tests.router.control.objects import NAMESPACE, service_object, slice_object

ADDRESS = ServiceAddress(namespace=NAMESPACE, service="small-model", port=8000)


def _slice(**changes: Any) -> EndpointSlice:
    return msgspec.convert(slice_object() | changes, EndpointSlice)


def _service(*ports: tuple[str, int]) -> Service:
    spec = {"ports": [{"name": name, "port": port} for name, port in ports]}
    return msgspec.convert(service_object() | {"spec": spec}, Service)


def _endpoint(host: str, **conditions: bool | None) -> dict[str, Any]:
    return {"addresses": [host], "conditions": conditions}


def _hosts(*endpoints: dict[str, Any], service: Service | None = None) -> list[str]:
    found = endpoints_of(ADDRESS, service, [_slice(endpoints=list(endpoints))])
    assert found is not None
    return [endpoint.host for endpoint in found]


def test_ready_endpoints_are_used() -> None:
    """Those that say nothing of it are ready, as the API defines."""
    assert _hosts(
        _endpoint("10.0.0.3", ready=True), _endpoint("10.0.0.2", ready=False), _endpoint("10.0.0.1")
    ) == ["10.0.0.1", "10.0.0.3"]


def test_without_a_ready_one_those_that_serve_are_used() -> None:
    """But none that terminates."""
    assert _hosts(
        _endpoint("10.0.0.1", ready=False, serving=True),
        _endpoint("10.0.0.2", ready=False, serving=True, terminating=True),
        _endpoint("10.0.0.3", ready=False, serving=False),
    ) == ["10.0.0.1"]


def test_the_service_names_the_target_port() -> None:
    """Port 8080 of the Service is the target port of that name, not target port 8080."""
    address = ServiceAddress(namespace=NAMESPACE, service="small-model", port=8080)
    item = _slice(ports=[{"name": "http", "port": 8080}, {"name": "metrics", "port": 9090}])
    service = _service(("http", 80), ("metrics", 8080))

    assert endpoints_of(address, service, [item]) == (Endpoint(host="10.244.0.9", port=9090),)


def test_pods_may_listen_on_different_target_ports() -> None:
    """A named target port has its own number in each slice."""
    old = _slice(ports=[{"name": "http", "port": 8000}])
    new = _slice(ports=[{"name": "http", "port": 9000}], endpoints=[_endpoint("10.244.0.10")])

    found = endpoints_of(ADDRESS, _service(("http", 8000)), [new, old])

    assert found == (
        Endpoint(host="10.244.0.10", port=9000),
        Endpoint(host="10.244.0.9", port=8000),
    )


def test_a_port_that_the_service_lacks_has_no_endpoints() -> None:
    """As kube-proxy would answer nobody there."""
    assert endpoints_of(ADDRESS, _service(("http", 80)), [_slice()]) == ()


def test_without_the_service_one_port_needs_no_name() -> None:
    """And among several nothing is guessed: what was known stays."""
    several = _slice(ports=[{"name": "a", "port": 1}, {"name": "b", "port": 2}])
    known = {ADDRESS.key: (Endpoint(host="10.0.0.7", port=1),)}

    assert endpoints_of(ADDRESS, None, [_slice()]) == (Endpoint(host="10.244.0.9", port=8000),)
    assert endpoints_of(ADDRESS, None, [several]) is None
    assert resolve([ADDRESS], NAMESPACE, None, {"small-model": [several]}, known) == known


def test_a_pod_of_two_families_counts_once() -> None:
    """IPv4 where there is IPv4."""
    six = _slice(addressType="IPv6", endpoints=[_endpoint("fd00::9")])

    assert endpoints_of(ADDRESS, None, [six, _slice()]) == (Endpoint(host="10.244.0.9", port=8000),)
    assert endpoints_of(ADDRESS, None, [six]) == (Endpoint(host="fd00::9", port=8000),)


def test_pods_are_counted_that_are_ready_and_stay() -> None:
    """Once each, whatever their families and slices."""
    four = [
        _endpoint("10.0.0.1"),
        _endpoint("10.0.0.2", ready=False, serving=True),
        _endpoint("10.0.0.3", ready=True, terminating=True),
    ]
    six = _slice(addressType="IPv6", endpoints=[_endpoint("fd00::1")])

    assert count_ready([]) == 0
    assert count_ready([_slice(endpoints=four), six]) == 1
    assert count_ready([_slice(endpoints=four), _slice(endpoints=four[:1]), _slice()]) == 2


def test_only_what_the_table_uses_is_kept() -> None:
    """Neither other Services nor other namespaces."""
    slices = by_service([_slice(), msgspec.convert(slice_object("other"), EndpointSlice)])
    foreign = ServiceAddress(namespace="elsewhere", service="other", port=8000)

    found = resolve([ADDRESS, foreign], NAMESPACE, {}, slices, {})

    assert list(found) == [ADDRESS.key]
