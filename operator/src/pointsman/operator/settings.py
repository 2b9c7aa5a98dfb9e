"""Every knob of the operator, its default and its reason; flags come before the environment."""

import argparse
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from pointsman.events.ship import Target, target_of

VLLM_IMAGE = "vllm/vllm-openai:v0.28.0"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_FILE = Path("/var/run/secrets/pointsman/router-token")


def default_image() -> str:
    """The image of this very release: a simulator never differs from its operator."""
    return f"pointsman/pointsman:{version('pointsman')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one operator process runs; seconds are `_s`."""

    namespace: str
    """The one namespace that is served: what a release may touch."""
    release: str = "pointsman"
    """Name of the release: prefix of the table's ConfigMaps and of the Lease."""
    identity: str = ""
    """Holder of the Lease; the pod's name, so that a restarted container leads again at once."""
    image: str = ""
    """Image of simulators."""
    vllm_image: str = VLLM_IMAGE
    """Image of VLLM backends that name none."""
    pod_templates: str = "Baseline"
    """The Pod Security Standard that overrides of pods are held to; `Any`: to none."""
    router_selector: str = ""
    """Labels of router pods."""
    router_admin_port: int = 9901
    """Where routers serve /admin/stream."""
    router_token_file: Path = TOKEN_FILE
    """Projected token with audience pointsman-router; read anew at every dial, as it rotates."""
    health_port: int = 9902
    """/healthz, /readyz, /metrics and /debug/programmed; 0 takes any free port."""
    keda_port: int | None = None
    """KEDA's external scaler protocol; None: not served. 0 takes any free port."""
    ledger: Target | None = None
    """Where replica-hours go. None: they are not measured."""
    kubeconfig: Path | None = None
    """None inside a cluster."""
    leader_elect: bool = True
    """False only where nobody else can be running."""
    log_level: str = "INFO"
    resync_s: float = 80.0
    """Full resync after half to all of it: repairs every event that was lost. With a reconcile it
    stays under the 90 s in which everything converges after a fault."""
    request_timeout_s: float = 30.0
    """One API request; half of the API server's own limit."""
    connect_timeout_s: float = 5.0
    """One connection, TLS included, of a watch, too: what the way swallowed is tried anew."""
    watch_inactivity_s: float = 70.0
    """A watch that says nothing for so long is dead: bookmarks come each minute. Less where a
    balancer before the API server drops idle connections sooner, and says nothing."""
    watch_backoff_max_s: float = 30.0
    """Between two tries of a watch's request: an outage of hours costs two requests a minute."""
    rollouts_per_backend: int = 1
    """Rollouts at once that send more to one backend: two would take each other's load for their
    candidate's doing."""
    concurrency: int = 8
    """Reconciles and status writes at once: keeps a full resync under the API server's fairness."""
    router_silence_s: float = 15.0
    """A router that said nothing for so long is `no data`: three of its heartbeats."""
    blob_age_s: float = 600.0
    """Unreferenced blobs stay at least so long, for routers that are behind."""
    liveness_age_s: float = 60.0
    """Loop heartbeat older than this: /healthz fails."""


def _flag(parser: argparse.ArgumentParser, name: str, default: object, text: str) -> None:
    variable = "POINTSMAN_" + name.upper().replace("-", "_")
    value = os.environ.get(variable, default)
    parser.add_argument(f"--{name}", default=value, help=f"{text} [{variable}]")


def _namespace() -> str:
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return "default"


def _identity() -> str:
    """Stable over restarts of a pod's container, unique everywhere else."""
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{uuid4().hex[:8]}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pointsman-operator", description=__doc__)
    _flag(parser, "namespace", None, "namespace to serve; default: this pod's")
    _flag(parser, "release", "pointsman", "name of the release")
    _flag(parser, "identity", None, "holder of the Lease; default: POD_NAME")
    _flag(parser, "image", None, "image of simulators; default: this release's")
    _flag(parser, "vllm-image", VLLM_IMAGE, "default image of VLLM backends")
    _flag(parser, "pod-templates", "Baseline", "what podTemplate may ask for: Baseline or Any")
    _flag(parser, "router-selector", None, "labels of router pods; default: the release's")
    _flag(parser, "router-admin-port", "9901", "admin port of router pods")
    _flag(parser, "router-token-file", str(TOKEN_FILE), "token shown to routers")
    _flag(parser, "health-port", "9902", "port of /healthz, /readyz, /metrics")
    _flag(parser, "keda-port", None, "port of KEDA's external scaler protocol; default: not served")
    _flag(parser, "rollouts-per-backend", "1", "rollouts at once that send more to one backend")
    _flag(parser, "ledger", "", "URL of the ledger, such as http://pointsman-ledger:9903")
    _flag(parser, "ledger-token-file", "", "file with the token for it")
    _flag(parser, "ledger-ca-file", "", "file with the certificates that it is trusted by")
    _flag(parser, "kubeconfig", None, "kubeconfig file; default: the pod's service account")
    _flag(parser, "leader-elect", "true", "true or false")
    _flag(parser, "api-timeout-seconds", "30", "deadline of one request to the API server")
    _flag(parser, "watch-inactivity-seconds", "70", "a watch silent for so long is dead")
    _flag(parser, "resync-seconds", "80", "longest time between two full resyncs")
    _flag(parser, "log-level", "INFO", "DEBUG, INFO, WARNING or ERROR")
    return parser


def parse_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Settings from flags and environment; exits with usage on anything wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.leader_elect not in {"true", "false"}:
        parser.error("--leader-elect must be true or false")
    try:
        admin_port, health_port = _port(given.router_admin_port), _port(given.health_port)
        keda_port = _port(given.keda_port) if given.keda_port else None
    except ValueError:
        parser.error("ports are numbers from 0 to 65535")
    try:
        api_s, inactivity_s, resync_s = (
            _seconds(text)
            for text in (
                given.api_timeout_seconds,
                given.watch_inactivity_seconds,
                given.resync_seconds,
            )
        )
    except ValueError:
        parser.error("seconds are numbers over 0")
    try:
        most_each = int(given.rollouts_per_backend)
    except ValueError:
        most_each = 0
    if most_each < 1:
        parser.error("--rollouts-per-backend must be a number of 1 or more")
    if keda_port is not None and find_spec("grpc") is None:
        parser.error("--keda-port needs the extra keda: pip install 'pointsman[keda]'")
    if given.pod_templates not in {"Baseline", "Any"}:
        parser.error("--pod-templates must be Baseline or Any")
    if given.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        parser.error("--log-level must be DEBUG, INFO, WARNING or ERROR")
    try:
        ledger = _ledger(given)
    except ValueError as error:
        parser.error(str(error))
    release = given.release
    # With the name: other charts under the same release may have routers of their own.
    own = {"name": "pointsman", "instance": release, "component": "router"}
    selector = ",".join(f"app.kubernetes.io/{key}={value}" for key, value in own.items())
    return Settings(
        namespace=given.namespace or _namespace(),
        release=release,
        identity=given.identity or _identity(),
        image=given.image or default_image(),
        vllm_image=given.vllm_image,
        pod_templates=given.pod_templates,
        router_selector=given.router_selector or selector,
        router_admin_port=admin_port,
        router_token_file=Path(given.router_token_file),
        health_port=health_port,
        keda_port=keda_port,
        ledger=ledger,
        rollouts_per_backend=most_each,
        kubeconfig=Path(given.kubeconfig) if given.kubeconfig else None,
        leader_elect=given.leader_elect == "true",
        log_level=given.log_level,
        request_timeout_s=api_s,
        watch_inactivity_s=inactivity_s,
        resync_s=resync_s,
    )


def _ledger(given: argparse.Namespace) -> Target | None:
    files = (given.ledger_token_file, given.ledger_ca_file)
    return target_of(given.ledger, *(Path(one) if one else None for one in files))


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError(text)
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value
