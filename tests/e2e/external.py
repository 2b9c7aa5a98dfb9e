"""A provider outside the cluster: a simulator behind TLS that asks for a key.

It listens on the bench's own address with a certificate of a private CA, and remembers what it was
sent, so that a test can see which headers left a router.
"""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from tests.bench.netns import HOST_IP

PORT = 8443
PROVIDER_KEY = "provider-key-canary-1"


@dataclass(frozen=True, slots=True)
class Provider:
    """A running provider."""

    url: str
    ca_pem: str
    process: subprocess.Popen[bytes]
    host: str = HOST_IP

    def seen(self) -> list[dict[str, Any]]:
        """The requests that it got."""
        trust = ssl.create_default_context(cadata=self.ca_pem)
        address = self.url.removesuffix("/v1") + "/simulator/requests"
        with urllib.request.urlopen(address, context=trust, timeout=10) as answer:
            found = json.load(answer)
        requests: list[dict[str, Any]] = found["requests"] if isinstance(found, dict) else found
        return requests

    def manifests(self, *, key: str = PROVIDER_KEY) -> str:
        """The Secret, the backend and a policy `outside` that uses nothing else."""
        version = {"apiVersion": "pointsman.dev/v1alpha1"}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "provider",
                "labels": {"pointsman.dev/credential": "true"},
                "annotations": {"pointsman.dev/allowed-hosts": self.host},
            },
            "stringData": {"api-key": key},
        }
        backend = {
            **version,
            "kind": "ModelBackend",
            "metadata": {"name": "outside"},
            "spec": {
                "model": "outside-model",
                "external": {
                    "url": self.url,
                    "caBundle": self.ca_pem,
                    "credentialsSecretRef": {"name": "provider"},
                },
            },
        }
        policy = {
            **version,
            "kind": "RoutingPolicy",
            "metadata": {"name": "outside"},
            "spec": {
                "modelNames": ["outside"],
                "default": {"targets": [{"backendRef": {"name": "outside"}}]},
            },
        }
        items = [secret, backend, policy]
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@contextmanager
def provider(
    folder: Path, *, host: str = HOST_IP, authority: trustme.CA | None = None
) -> Iterator[Provider]:
    """Started with the block and ended with it; `host`: the name in its URL and certificate."""
    authority = authority or trustme.CA()
    certificate = authority.issue_cert(host)
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.unlink(missing_ok=True)
    certificate.private_key_pem.write_to_path(str(private))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(chain), append=True)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "pointsman.simulator", "--model", "outside-model",
            "--host", HOST_IP, "--port", str(PORT), "--ttft", "1ms", "--tokens-per-second", "0",
            "--api-key", PROVIDER_KEY, "--control", "--tls-cert", str(chain),
            "--tls-key", str(private),
        ],
        stdout=subprocess.PIPE,
        env=os.environ,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        end = time.monotonic() + 20
        while b"listening" not in process.stdout.readline():
            assert process.poll() is None
            assert time.monotonic() < end
        yield Provider(
            f"https://{host}:{PORT}/v1", authority.cert_pem.bytes().decode(), process, host
        )
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
