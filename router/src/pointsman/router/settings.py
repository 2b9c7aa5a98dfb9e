"""Every knob of the router's process: flag, environment variable, default and its reason.

Guarantees that a `Settings` value is usable: addresses have ports, times are positive, the admin
port is open to everybody on loopback only, and somebody chose who may call. Refuses anything else,
naming the flag.
"""

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pointsman.events.segments import Bounds
from pointsman.events.ship import Target, target_of
from pointsman.process.address import Address, read_address
from pointsman.router.settings_otlp import Otlp, otlp_from

if TYPE_CHECKING:
    from pointsman.router.proxy import Proxy

_SECRET = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One router process."""

    namespace: str
    callers: Literal["Keys", "Open"]
    """No default: a router is open because somebody said so."""
    caller_secrets: tuple[str, ...] = ()
    """Secrets with callers' keys; their order decides who keeps a name that two of them use."""
    release: str = "pointsman"
    """Value of the label on the ConfigMaps of our table: two releases may share a namespace."""
    router_service: str = ""
    """Service of all routers of this release: its ready endpoints tell how many share a backend
    that says how much it takes. Empty: `<release>-router`, as the chart calls it."""
    listen: Address = Address("0.0.0.0", 8080)  # noqa: S104 - a pod has to be reachable
    admin: Address = Address("0.0.0.0", 9901)  # noqa: S104 - the operator dials it; token required
    state_dir: Path | None = None
    """None: nothing survives a restart, which then needs the API server."""
    keys_dir: Path | None = None
    """A memory-backed volume; None: a restarted router has no provider keys and knows no caller
    before it has read them again."""
    ledger: Target | None = None
    """Where events are sent; None: nowhere."""
    events_dir: Path | None = None
    """Keeps events that the ledger does not have. None: they are kept in memory, and a restart
    loses those."""
    events: Bounds = field(default_factory=Bounds)
    otlp: Otlp | None = None
    """Where traces and metrics are sent; None: nowhere."""
    proxy: "Proxy | None" = None
    """Of the environment (HTTPS_PROXY, NO_PROXY): for external backends over TLS."""
    operator_service_account: str = "pointsman-operator"
    kubeconfig: Path | None = None
    """None: what the kubelet gives every pod."""
    shutdown_delay_s: float = 5.0
    """From SIGTERM on everything is still served for so long: whoever sends here by EndpointSlices
    learns of the end within a second or two, on a busy cluster a little later."""
    drain_s: float = 20.0
    """After that. With the delay it fits in Kubernetes' default grace period of 30 s."""
    admin_auth: Literal["token", "none"] = "token"
    router: str = "router"
    """How this process calls itself on the admin stream: the pod's name."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    api_timeout_s: float = 20.0
    """One request to the API server that is no watch; it gives up itself after 60 s."""
    watch_inactivity_s: float = 70.0
    """A watch that says nothing for so long is dead: bookmarks come each minute. Less where a
    balancer before the API server drops idle connections sooner, and says nothing."""
    resync_s: float = 300.0
    """A full list repairs what no fault announced; it costs one list a kind and router."""

    def __post_init__(self) -> None:
        """ValueError where a value means nothing."""
        if not self.namespace:
            raise ValueError("--namespace (or POD_NAMESPACE) is needed")
        if not self.release:
            raise ValueError("--release must not be empty")
        self._check_callers()
        if not 0 < self.drain_s < float("inf"):
            raise ValueError("--drain-seconds must be over 0")
        if not 0 <= self.shutdown_delay_s < float("inf"):
            raise ValueError("--shutdown-delay-seconds must not be negative")
        clocks = (self.api_timeout_s, self.watch_inactivity_s, self.resync_s)
        if not all(0 < seconds < float("inf") for seconds in clocks):
            raise ValueError(
                "--api-timeout-seconds, --watch-inactivity-seconds and --resync-seconds"
                " must be over 0"
            )
        if self.admin_auth == "none" and not self.admin.is_loopback:
            raise ValueError("--admin-auth none needs --admin on a loopback address")

    def _check_callers(self) -> None:
        if self.callers not in ("Keys", "Open"):
            raise ValueError(
                "--callers (or POINTSMAN_CALLERS) is needed: Keys, or Open for everybody"
            )
        if self.callers == "Open" and self.caller_secrets:
            raise ValueError("--caller-secrets has no meaning with --callers Open")
        if self.callers == "Keys" and not self.caller_secrets:
            raise ValueError("--callers Keys needs --caller-secrets")
        for name in self.caller_secrets:
            if not _SECRET.fullmatch(name):
                raise ValueError(f"--caller-secrets: {name!r} is no name of a Secret")
        if len(set(self.caller_secrets)) < len(self.caller_secrets):
            raise ValueError("--caller-secrets names a Secret twice")

    @property
    def records(self) -> bool:
        """True if requests become events."""
        return self.ledger is not None or self.events_dir is not None

    @property
    def operator_user(self) -> str:
        """The user name that TokenReview has to give."""
        return f"system:serviceaccount:{self.namespace}:{self.operator_service_account}"


def parse(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Flags win over the environment; exits with 2 and a message where they mean nothing."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    name = environment.get("POD_NAME") or socket.gethostname()
    try:
        return Settings(
            namespace=given.namespace,
            callers=given.callers,
            caller_secrets=tuple(n for n in map(str.strip, given.caller_secrets.split(",")) if n),
            release=given.release,
            router_service=given.router_service,
            listen=read_address("--listen", given.listen, 8080),
            admin=read_address("--admin", given.admin, 9901),
            state_dir=_path(given.state_dir),
            keys_dir=_path(given.keys_dir),
            ledger=_ledger(given),
            events_dir=_path(given.events_dir),
            events=_bounds(given),
            otlp=otlp_from(given, environment, instance=name),
            proxy=_proxy(environment),
            operator_service_account=given.operator_service_account,
            kubeconfig=_path(given.kubeconfig),
            shutdown_delay_s=given.shutdown_delay_seconds,
            drain_s=given.drain_seconds,
            admin_auth=given.admin_auth,
            router=name,
            log_level=given.log_level,
            api_timeout_s=given.api_timeout_seconds,
            watch_inactivity_s=given.watch_inactivity_seconds,
            resync_s=given.resync_seconds,
        )
    except ValueError as error:
        parser.error(str(error))


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pointsman-router",
        description="Sends each AI request to the model that its policy chooses.",
        epilog="Each flag can be set by POINTSMAN_ and its name, such as POINTSMAN_STATE_DIR.",
    )

    def flag(name: str, default: str, text: str, choices: Sequence[str] | None = None) -> None:
        variable = "POINTSMAN_" + name.upper().replace("-", "_")
        parser.add_argument(
            f"--{name}",
            default=environment.get(variable, default),
            choices=choices,
            help=f"{text} Default: {default or 'none'}.",
        )

    flag("listen", "0.0.0.0:8080", "Address for callers.")
    flag("admin", "0.0.0.0:9901", "Address for health, metrics and the operator.")
    flag("namespace", environment.get("POD_NAMESPACE", ""), "Namespace that is served.")
    flag("release", "pointsman", "Helm release whose table is served.")
    flag("router-service", "", "Service of all routers; without it <release>-router.")
    flag("state-dir", "", "Folder for last-known-good state.")
    flag("keys-dir", "", "Folder for keys and callers, in memory (emptyDir with medium: Memory).")
    flag("ledger", "", "URL of the ledger, such as http://pointsman-ledger:9903.")
    flag("ledger-token-file", "", "File with the token for it.")
    flag("ledger-ca-file", "", "File with the certificates that it is trusted by.")
    flag("events-dir", "", "Folder for events that the ledger does not have yet.")
    flag("events-max-mib", "256", "How large that folder may get; then the oldest are dropped.")
    flag("events-fsync-seconds", "1", "What a power failure may take; 0: nothing.")
    flag("otlp-endpoint", "", "URL of an OTLP/HTTP collector, such as http://collector:4318.")
    flag("otlp-headers-file", "", "File with headers for it, one `name: value` a line.")
    flag("otlp-ca-file", "", "File with the certificates that it is trusted by.")
    flag("otlp-sample", "0.1", "Share of requests that is traced where no caller decides, 0 to 1.")
    flag("otlp-service-name", "", "Without it OTEL_SERVICE_NAME, or pointsman-router.")
    flag("callers", "", "Keys: who calls needs an API key. Open: everybody may call.")
    flag("caller-secrets", "", "Secrets with callers' keys, apart by commas.")
    flag("operator-service-account", "pointsman-operator", "Who may use /admin.")
    flag("kubeconfig", "", "For runs outside of a pod.")
    flag("admin-auth", "token", "none: no token is asked, on loopback only.", ("token", "none"))
    flag("log-level", "info", "Least level that is logged.", ("debug", "info", "warning", "error"))
    for name, seconds, text in (
        ("shutdown-delay", "5", "How long new requests are still served after SIGTERM."),
        ("drain", "20", "How long requests may take to end after that."),
        ("api-timeout", "20", "Deadline of one request to the API server."),
        ("watch-inactivity", "70", "A watch that is silent for so long is dead."),
        ("resync", "300", "A full list is asked for this often."),
    ):
        variable = f"POINTSMAN_{name.upper().replace('-', '_')}_SECONDS"
        parser.add_argument(
            f"--{name}-seconds",
            type=float,
            default=environment.get(variable, seconds),
            help=f"{text} Default: {seconds}.",
        )
    return parser


def _ledger(given: argparse.Namespace) -> Target | None:
    files = (given.ledger_token_file, given.ledger_ca_file)
    return target_of(given.ledger, *map(_path, files))


def _bounds(given: argparse.Namespace) -> Bounds:
    size = given.events_max_mib
    if not (size.isascii() and size.isdecimal()) or not 16 <= int(size) <= 1_048_576:
        raise ValueError("--events-max-mib must be a whole number from 16 to 1048576")
    try:
        fsync_s = float(given.events_fsync_seconds)
    except ValueError:
        fsync_s = -1.0
    if not 0 <= fsync_s <= 3600:
        raise ValueError("--events-fsync-seconds must be from 0 to 3600")
    return Bounds(disk_bytes=int(size) * 1024 * 1024, fsync_s=fsync_s)


def _proxy(environment: Mapping[str, str]) -> "Proxy | None":
    if not (environment.get("https_proxy") or environment.get("HTTPS_PROXY")):
        return None
    from pointsman.router.proxy import proxy_from  # noqa: PLC0415 - few have one

    return proxy_from(environment)


def _path(text: str) -> Path | None:
    return Path(text) if text else None
