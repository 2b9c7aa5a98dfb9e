"""What containerd, the CNI plugins, kubelet and kube-proxy are told: pure text from a Plan.

Everything a node writes goes below `Plan.folder` or into mounts of its own (tests/pods/inside.py).
"""

import json
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from tests.bench.netns import BRIDGE, HOST_IP, pod_addresses

Json = dict[str, Any]
CGROUP: Final = "pointsman-pods"
POD_NETWORK: Final = "10.244.0.0/16"
DNS_IP: Final = "10.96.0.10"
READ_ONLY_PORT: Final = 10255
PAUSE_IMAGE: Final = "docker.io/pointsman/pause:1"
PLUGINS: Final = "/usr/lib/cni"


@dataclass(frozen=True, slots=True)
class Plan:
    """One node: where it keeps things and who it is in the cluster."""

    index: int
    folder: Path
    kubeconfig: Path | None
    """None: a kubelet alone, which runs the pods of `manifests` and asks nobody."""
    ca_file: Path
    snapshotter: str = "overlayfs"
    owner: int = 0
    """The process whose end is this node's."""

    @property
    def name(self) -> str:
        return f"node-{self.index}"

    @property
    def address(self) -> str:
        """The node's own address on the bridge; the first one is the bridge's."""
        return str(IPv4Address(HOST_IP) + self.index)

    @property
    def cgroup(self) -> str:
        """Below the root of every hierarchy; unlike any other run's, and says whose it is."""
        return f"/{CGROUP}.{self.owner}.{self.folder.parent.name}.{self.index}"

    @property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def manifests(self) -> Path:
        """Where a kubelet alone finds its pods."""
        return self.folder / "manifests"


def containerd(plan: Plan) -> str:
    """config.toml, version 2: what containerd 1.6 and later read."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{plan.folder}/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
address = "{plan.socket}"

[cgroup]
path = ""

[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
disable_apparmor = true
# A machine whose root lacks CAP_SYS_RESOURCE may not lower it.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "{plan.address}"

[{cri}.cni]
bin_dir = "{PLUGINS}"
conf_dir = "{plan.folder}/cni"

[{cri}.containerd]
snapshotter = "{plan.snapshotter}"
default_runtime_name = "runc"

[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[{cri}.containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def cni(plan: Plan) -> str:
    """A conflist: the bench's bridge, addresses of this node's part of the pod network."""
    addresses = pod_addresses(plan.index)
    scope = {
        "subnet": POD_NETWORK,
        "rangeStart": addresses[9],
        "rangeEnd": addresses[-1],
        "gateway": HOST_IP,
    }
    ipam = {
        "type": "host-local",
        "dataDir": f"{plan.folder}/cni-addresses",
        "ranges": [[scope]],
        "routes": [{"dst": "0.0.0.0/0", "gw": HOST_IP}],
    }
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": ipam,
    }
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}, indent=2)


def kubelet(plan: Plan) -> Json:
    """KubeletConfiguration: real cgroups, authentication, authorization; no eviction for disk."""
    alone = {
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "staticPodPath": str(plan.manifests),
        "readOnlyPort": READ_ONLY_PORT,
    }
    told = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": plan.address,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plan.ca_file)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": plan.cgroup,
        "enforceNodeAllocatable": ["pods"],
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{plan.socket}",
        "resolvConf": str(plan.folder / "resolv.conf"),
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "podLogsDir": str(plan.folder / "pod-logs"),
        "volumePluginDir": str(plan.folder / "volume-plugins"),
        "oomScoreAdj": 0,
        # The disk is this machine's, and others fill it: no test is about that.
        "evictionHard": {
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "5s",
        "shutdownGracePeriod": "0s",
    }
    return told if plan.kubeconfig else told | alone


def kube_proxy(plan: Plan) -> Json:
    """KubeProxyConfiguration: nftables, and no sysctl outside the bench's network."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(plan.kubeconfig)},
        "hostnameOverride": plan.name,
        "clusterCIDR": POD_NETWORK,
        "bindAddress": plan.address,
        "healthzBindAddress": f"{plan.address}:10256",
        "metricsBindAddress": f"{plan.address}:10249",
        "oomScoreAdj": 0,
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "nftables": {"syncPeriod": "10s", "minSyncPeriod": "100ms"},
    }


def commands(plan: Plan, binary: Path) -> dict[str, list[str]]:
    """What the node runs, in the order of starting; kube-proxy on the first node only: all nodes of
    this machine share one network."""
    folder = plan.folder
    all_of_it = {
        "containerd": ["containerd", "--config", str(folder / "containerd.toml")],
        "kubelet": [
            str(binary), "kubelet",
            f"--config={folder / 'kubelet.json'}",
            *([f"--kubeconfig={plan.kubeconfig}"] if plan.kubeconfig else []),
            f"--hostname-override={plan.name}",
            f"--node-ip={plan.address}",
            "--root-dir=/var/lib/kubelet",
            "--cert-dir=/var/lib/kubelet/pki",
        ],
        "kube-proxy": [str(binary), "kube-proxy", f"--config={folder / 'kube-proxy.json'}"],
    }  # fmt: skip
    if plan.index or plan.kubeconfig is None:
        del all_of_it["kube-proxy"]
    return all_of_it


def write(plan: Plan) -> None:
    """All files of the node; its folder is made."""
    (plan.folder / "cni").mkdir(parents=True)
    plan.manifests.mkdir()
    (plan.folder / "containerd.toml").write_text(containerd(plan))
    (plan.folder / "cni" / "10-pods.conflist").write_text(cni(plan))
    (plan.folder / "kubelet.json").write_text(json.dumps(kubelet(plan)))
    (plan.folder / "kube-proxy.json").write_text(json.dumps(kube_proxy(plan)))
    # Pods with dnsPolicy Default, and what the cluster's own server does not know.
    (plan.folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
