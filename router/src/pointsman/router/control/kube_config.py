"""Where the API server is and how to show who we are: in a pod, or by a kubeconfig.

Guarantees TLS with verification for https and a token read anew for each request (the kubelet
rotates it). Refuses kubeconfigs that would skip verification or start another program.
"""

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pointsman.process.trust import Trust, trust_of

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(ValueError):
    """There is no usable way to the API server; the text says why."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """`token_file` wins over `token`; both None means that TLS says who we are."""

    url: str
    tls: ssl.SSLContext | None = None
    trust: Trust | None = None
    """Of `tls`, where its authorities are in a file that the kubelet rotates."""
    token_file: Path | None = None
    token: str | None = field(default=None, repr=False)

    def bearer(self) -> str | None:
        """The token of this moment."""
        if self.token_file is None:
            return self.token
        try:
            return self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.token_file}: {type(error).__name__}") from error


def in_cluster(
    environment: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT
) -> ApiServer:
    """From what the kubelet gives every pod."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ConfigError("KUBERNETES_SERVICE_HOST is not set; outside a pod give --kubeconfig")
    if ":" in host:
        host = f"[{host}]"
    try:
        trust = trust_of(folder / "ca.crt")
    except OSError as error:
        raise ConfigError(f"{folder / 'ca.crt'}: {error}") from error
    return ApiServer(
        f"https://{host}:{port}", trust.context, trust=trust, token_file=folder / "token"
    )


def from_kubeconfig(path: Path) -> ApiServer:
    """From the current context of a kubeconfig: token, tokenFile or client certificate."""
    import yaml  # noqa: PLC0415 - a pod needs no YAML, and starts faster without

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {type(error).__name__}") from error
    context = _named(document, "contexts", "context", _text(document, "current-context"))
    cluster = _named(document, "clusters", "cluster", _text(context, "cluster"))
    user = _named(document, "users", "user", _text(context, "user"))
    if "exec" in user or "auth-provider" in user:
        raise ConfigError(f"{path}: users that start another program are not supported")
    if cluster.get("insecure-skip-tls-verify"):
        raise ConfigError(f"{path}: insecure-skip-tls-verify is not supported")
    url = _text(cluster, "server").rstrip("/")
    token_file = user.get("tokenFile")
    token = user.get("token")
    return ApiServer(
        url,
        _tls(path.parent, cluster, user) if url.startswith("https:") else None,
        token_file=path.parent / str(token_file) if token_file else None,
        token=str(token) if token else None,
    )


def _tls(folder: Path, cluster: Mapping[str, object], user: Mapping[str, object]) -> ssl.SSLContext:
    try:
        ca = _material(folder, cluster, "certificate-authority")
        tls = ssl.create_default_context(cadata=ca.decode("ascii") if ca else None)
        certificate = _material(folder, user, "client-certificate")
        key = _material(folder, user, "client-key")
        if certificate and key:
            # The ssl module reads files only; this one is 0600 and lives for a moment.
            with tempfile.NamedTemporaryFile() as file:
                file.write(certificate + b"\n" + key)
                file.flush()
                tls.load_cert_chain(file.name)
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificates of the kubeconfig: {error}") from error
    return tls


def _material(folder: Path, source: Mapping[str, object], name: str) -> bytes | None:
    """PEM from `name` (a path) or `name`-data (base64)."""
    if data := source.get(f"{name}-data"):
        try:
            return base64.b64decode(str(data), validate=True)
        except binascii.Error as error:
            raise ConfigError(f"{name}-data is no base64") from error
    return (folder / str(source[name])).read_bytes() if source.get(name) else None


def _text(source: object, name: str) -> str:
    value = source.get(name) if isinstance(source, Mapping) else None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"kubeconfig lacks {name}")
    return value


def _named(document: object, group: str, kind: str, name: str) -> Mapping[str, object]:
    entries = document.get(group) if isinstance(document, Mapping) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and entry.get("name") == name:
            found = entry.get(kind)
            if isinstance(found, Mapping):
                return found
    raise ConfigError(f"kubeconfig has no {kind} {name}")
