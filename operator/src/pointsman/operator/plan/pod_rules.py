"""What `podTemplate` may not ask for: a way out of the pod, and what belongs to the release itself.

The baseline Pod Security Standard (Kubernetes v1.37, pod-security-admission/policy), whatever the
namespace enforces: who may write a ModelBackend need not be one who may run such pods. And no
account and no volume of this release: a router's account reads Secrets, the ledger's volume has
texts. Everything is told with its path, as the API server tells it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pointsman.api.validation import Problem

PLACE: Final = "spec.deployment.podTemplate.spec"
CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    }
)  # fmt: skip
SELINUX_TYPES: Final = frozenset(
    {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_PARTS: Final = ("operator", "router", "ledger")

Json = Mapping[str, Any]
Found = Iterator[tuple[str, str]]
"""(path below the pod's spec, what is wrong there)."""


@dataclass(frozen=True, slots=True)
class PodRules:
    """For the pods of one release; `anything` leaves out the standard, not the release's own."""

    release: str
    anything: bool = False

    def problems(self, template: Json) -> tuple[Problem, ...]:
        """What is wrong with a whole pod template; its spec may hold anything."""
        pod = _map(template.get("spec"))
        found = [*_own(pod, self.release)]
        if not self.anything:
            found += [*_of_pod(pod), *_of_annotations(template)]
            for kind in ("initContainers", "containers"):
                for index, one in enumerate(_list(pod.get(kind))):
                    found += _below(f"{kind}[{index}]", _of_container(_map(one)))
        return tuple(Problem(f"{PLACE}.{where}", what) for where, what in found)

    def owns_claim(self, name: object) -> bool:
        """True for a volume of this release's ledger."""
        return isinstance(name, str) and bool(
            re.fullmatch(rf"store-{re.escape(self.release)}-ledger-[0-9]+", name)
        )


def _map(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _below(place: str, found: Found) -> Found:
    return ((f"{place}.{where}", what) for where, what in found)


def _own(pod: Json, release: str) -> Found:
    for name in ("serviceAccountName", "serviceAccount"):
        if pod.get(name) in {f"{release}-{part}" for part in _PARTS}:
            yield name, "is an account of Pointsman itself"
    rules = PodRules(release)
    for index, volume in enumerate(_list(pod.get("volumes"))):
        for where, claim in _claims(_map(volume)):
            if rules.owns_claim(claim):
                yield f"volumes[{index}].{where}", "is the volume of Pointsman's own ledger"


def _claims(volume: Json) -> Iterator[tuple[str, object]]:
    """(path, name) of each claim that it mounts, or that it is made a copy of."""
    yield (
        "persistentVolumeClaim.claimName",
        _map(volume.get("persistentVolumeClaim")).get("claimName"),
    )
    spec = _map(_map(_map(volume.get("ephemeral")).get("volumeClaimTemplate")).get("spec"))
    for source in ("dataSource", "dataSourceRef"):
        where = f"ephemeral.volumeClaimTemplate.spec.{source}.name"
        yield where, _map(spec.get(source)).get("name")


def _of_pod(pod: Json) -> Found:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name, "a model server may not share this with its node"
    for index, volume in enumerate(_list(pod.get("volumes"))):
        if _map(volume).get("hostPath") is not None:
            yield f"volumes[{index}].hostPath", "a model server may not see files of its node"
    context = _map(pod.get("securityContext"))
    for sysctl in _list(context.get("sysctls")):
        if _map(sysctl).get("name") not in SYSCTLS:
            yield "securityContext.sysctls", f"{_map(sysctl).get('name')} is not allowed"
    yield from _below("securityContext", _of_context(context))


def _of_annotations(template: Json) -> Found:
    notes = _map(_map(template.get("metadata")).get("annotations"))
    for name, value in notes.items():
        profile = str(value)
        allowed = profile == "runtime/default" or profile.startswith("localhost/")
        if str(name).startswith(_APPARMOR) and profile and not allowed:
            yield "securityContext.appArmorProfile", f"the annotation {name} is not allowed"


def _of_container(container: Json) -> Found:
    context = _map(container.get("securityContext"))
    if context.get("privileged"):
        yield "securityContext.privileged", "a model server may not be privileged"
    if context.get("procMount") not in (None, "Default"):
        yield "securityContext.procMount", "only Default is allowed"
    for name in _list(_map(context.get("capabilities")).get("add")):
        if name not in CAPABILITIES:
            yield "securityContext.capabilities.add", f"{name} is not allowed"
    for index, port in enumerate(_list(container.get("ports"))):
        if _map(port).get("hostPort"):
            yield f"ports[{index}].hostPort", "a model server may not use a port of its node"
    yield from _below("securityContext", _of_context(context))
    yield from _of_handlers(container)


def _of_handlers(container: Json) -> Found:
    """A kubelet would dial these hosts from its node."""
    probes = ("livenessProbe", "readinessProbe", "startupProbe")
    hooks = _map(container.get("lifecycle"))
    handlers = {name: _map(container.get(name)) for name in probes}
    handlers |= {f"lifecycle.{name}": _map(hooks.get(name)) for name in ("postStart", "preStop")}
    for where, handler in handlers.items():
        for way in ("httpGet", "tcpSocket"):
            if _map(handler.get(way)).get("host"):
                yield f"{where}.{way}.host", "only the pod itself may be asked"


def _of_context(context: Json) -> Found:
    """What pods and containers have in common."""
    if _map(context.get("windowsOptions")).get("hostProcess"):
        yield "windowsOptions.hostProcess", "a model server may not run on its node"
    seccomp = _map(context.get("seccompProfile")).get("type")
    if seccomp not in (None, "RuntimeDefault", "Localhost"):
        yield "seccompProfile.type", f"{seccomp} is not allowed"
    armor = _map(context.get("appArmorProfile")).get("type")
    if armor not in (None, "RuntimeDefault", "Localhost"):
        yield "appArmorProfile.type", f"{armor} is not allowed"
    selinux = _map(context.get("seLinuxOptions"))
    if selinux.get("type", "") not in SELINUX_TYPES:
        yield "seLinuxOptions.type", f"{selinux['type']} is not allowed"
    for name in ("user", "role"):
        if selinux.get(name):
            yield f"seLinuxOptions.{name}", "may not be set"
