"""Tables, blobs and Kubernetes objects for the tests of the control side."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.api import table
from pointsman.api.callers import hash_of

NAMESPACE = "demo"
PROVIDER_URL = "https://api.example.com/v1"
Json = dict[str, Any]


def policy(
    name: str = "support",
    revision: str = "r1",
    *,
    backends: Iterable[table.Backend] | None = None,
    namespace: str = NAMESPACE,
    default: str = "",
) -> bytes:
    """A blob with one route; `default` names a backend that need not exist."""
    listed = list(backends or [service_backend()])
    return table.encode(
        table.PolicyBlob(
            namespace=namespace,
            name=name,
            revision=revision,
            model_names=(f"{name}-auto",),
            routes=(
                table.Route(
                    name="default", targets=(table.Target(backend=default or listed[0].name),)
                ),
            ),
            backends={backend.name: backend for backend in listed},
        )
    )


def service_backend(name: str = "small", service: str = "small-model") -> table.Backend:
    """A backend behind a Service's port 8000."""
    address = table.ServiceAddress(namespace=NAMESPACE, service=service, port=8000)
    return table.Backend(name=name, model="tiny", address=address)


def external_backend(
    url: str = PROVIDER_URL, secret: str = "provider", name: str = "hosted"
) -> table.Backend:
    """A backend elsewhere, with a key in a Secret."""
    address = table.ExternalAddress(url=url, credential=table.CredentialRef(name=secret))
    return table.Backend(name=name, model="large", address=address)


def entry(blob: bytes, name: str = "support", revision: str = "r1") -> table.PolicyEntry:
    """What a manifest says of this blob."""
    return table.PolicyEntry(name=name, revision=revision, blob=table.digest(blob))


def manifest(serial: int, *entries: table.PolicyEntry, epoch: int = 1) -> table.Manifest:
    """A manifest of the namespace of these tests."""
    return table.Manifest(namespace=NAMESPACE, epoch=epoch, serial=serial, policies=entries)


def by_digest(*blobs: bytes) -> dict[str, bytes]:
    """As `offer` wants them."""
    return {table.digest(blob): blob for blob in blobs}


def manifest_object(wanted: table.Manifest, release: str = "pointsman") -> Json:
    """The ConfigMap of a manifest."""
    return _config_map(f"{release}-table", "manifest", table.encode(wanted), release)


def blob_object(blob: bytes, *, packed: bytes | None = None, release: str = "pointsman") -> Json:
    """The ConfigMap of a blob; `packed` to damage it."""
    name = f"{release}-table-{table.digest(blob)[:16]}"
    return _config_map(name, "blob", packed or table.pack(blob), release)


def slice_object(
    service: str = "small-model",
    addresses: Iterable[str] = ("10.244.0.9",),
    *,
    port: int = 8000,
    ready: bool = True,
) -> Json:
    """An EndpointSlice with one unnamed port."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-x1",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [a], "conditions": {"ready": ready}} for a in addresses],
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
    }


def service_object(name: str = "small-model", port: int = 8000) -> Json:
    """A Service with one port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"ports": [{"port": port, "protocol": "TCP"}]},
    }


def secret_object(
    value: bytes,
    *,
    name: str = "provider",
    hosts: str = "api.example.com",
    labels: Mapping[str, str] | None = None,
) -> Json:
    """A labeled credential Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"pointsman.dev/credential": "true"} if labels is None else dict(labels),
            "annotations": {"pointsman.dev/allowed-hosts": hosts},
        },
        "data": {"api-key": base64.b64encode(value).decode()},
    }


def callers_object(
    name: str = "callers", *, labels: Mapping[str, str] | None = None, **entries: bytes
) -> Json:
    """A labeled Secret with these callers."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"pointsman.dev/callers": "true"} if labels is None else dict(labels),
        },
        "data": {entry: base64.b64encode(value).decode() for entry, value in entries.items()},
    }


def caller_entry(*keys: bytes, **fields: object) -> bytes:
    """The entry of who has these keys."""
    return json.dumps({"keys": [hash_of(key) for key in keys], **fields}).encode()


def _config_map(name: str, part: str, data: bytes, release: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {
                "pointsman.dev/routing-table": release,
                "pointsman.dev/routing-table-part": part,
            },
        },
        "binaryData": {part: base64.b64encode(data).decode()},
    }
