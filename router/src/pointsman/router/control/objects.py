"""What the router reads of Kubernetes objects; all other fields are ignored.

Guarantees a typed value or a decoding error that does not quote the object.
"""

from typing import Any

import msgspec

from pointsman.router.control.watch import Object


class ConfigMap(Object, frozen=True):
    """Values of `binaryData` arrive decoded."""

    binaryData: dict[str, bytes] | None = None  # noqa: N815 - Kubernetes' spelling


class Secret(Object, frozen=True):
    """Values of `data` arrive decoded, and are never shown."""

    data: dict[str, bytes] | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Empty where there are none."""
        return self.metadata.labels or {}

    def __repr__(self) -> str:
        return f"Secret({self.metadata.name})"

    def __rich_repr__(self) -> Any:
        yield self.metadata.name


class EndpointConditions(msgspec.Struct, frozen=True):
    """None means: not said, which is to be read as ready."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class SliceEndpoint(msgspec.Struct, frozen=True):
    """One pod; its addresses are alternatives, and only the first is to be used."""

    addresses: tuple[str, ...]
    conditions: EndpointConditions = EndpointConditions()


class SlicePort(msgspec.Struct, frozen=True):
    """A target port under the name of the Service's port."""

    name: str | None = None
    port: int | None = None


class EndpointSlice(Object, frozen=True):
    """Part of the endpoints of the Service in label `kubernetes.io/service-name`."""

    addressType: str = "IPv4"  # noqa: N815
    endpoints: tuple[SliceEndpoint, ...] | None = None
    ports: tuple[SlicePort, ...] | None = None


class ServicePort(msgspec.Struct, frozen=True):
    """A port that callers of the Service use."""

    port: int
    name: str = ""
    protocol: str = "TCP"


class ServiceSpec(msgspec.Struct, frozen=True):
    """Ports; none for a headless Service without."""

    ports: tuple[ServicePort, ...] | None = None


class Service(Object, frozen=True):
    """The Service, for the names of its ports."""

    spec: ServiceSpec = ServiceSpec()
