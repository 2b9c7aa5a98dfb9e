"""PodsBench: the bench's control plane with real nodes: kubelet, containerd, runc, kube-proxy.

Guarantees: with `with` entered, every node is Ready and images are there; afterwards no process,
mount, cgroup, network or file is left. What is real and what is not is in DESIGN.md.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from pyroute2 import IPRoute

from tests.bench import Bench, CommandFailed
from tests.bench.build import NODE, PAUSE, build
from tests.bench.netns import BRIDGE, HOST_IP, PREFIX_BITS
from tests.pods import machine
from tests.pods.images import write_single
from tests.pods.node import Node, sweep
from tests.pods.settings import DNS_IP, PAUSE_IMAGE, Plan


class PodsBench(Bench):
    """One cluster of `nodes` real nodes, node-0 and so on, which have the `images` (tars)."""

    prefix = "node"
    ready_deadline_s = 180.0
    flags: ClassVar = {
        "kube-apiserver": {
            "kubelet-client-certificate": "{dir}/pki/admin.crt",
            "kubelet-client-key": "{dir}/pki/admin.key",
        }
    }

    def __init__(self, *, nodes: int = 1, images: Sequence[Path] = ()) -> None:
        machine.prepare()
        self._node_binary = build(NODE)
        self._pause = build(PAUSE)
        self._images = images
        self._real: list[Node] = []
        super().__init__(nodes=nodes)

    def start(self) -> None:
        """As Bench.start, with what a node needs of its network around it."""
        sweep()
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        with IPRoute() as ip:
            bridge = ip.link_lookup(ifname=BRIDGE)[0]
            for index in range(1, len(self.nodes)):
                address = self._plan(index).address
                ip.addr("add", index=bridge, address=address, prefixlen=PREFIX_BITS)
            ip.addr("add", index=bridge, address=DNS_IP, prefixlen=32)
            # Addresses of Services belong to no interface: kube-proxy takes them on their way out.
            ip.route("add", dst="default", gateway=HOST_IP, oif=bridge)
        write_single(self.dir / "pause.tar", name=PAUSE_IMAGE, binary=self._pause)
        super().start()
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._import, self._real))
        self._publish_api()
        self._start_names()

    def start_kubelet(self, node: str, index: int = 0) -> None:  # noqa: ARG002 - as Bench's
        """A whole node, without images."""
        real = Node(self._plan(index), self._node_binary, self._processes, self.dir / "log")
        self._real.append(real)
        real.start()
        real.wait_for_containerd()

    def close(self) -> None:
        """End all that was started and remove its files."""
        failures: list[Exception] = []
        for node in reversed(self._real):
            try:
                node.close()
            except Exception as error:  # noqa: BLE001 - raised below, when the rest is closed too
                failures.append(error)
        super().close()
        if failures:
            raise failures[0]

    def _plan(self, index: int) -> Plan:
        return Plan(
            index=index,
            folder=self.dir / f"node-{index}",
            kubeconfig=self.kubeconfig,
            ca_file=self.ca_file,
            snapshotter=machine.snapshotter(),
            owner=os.getpid(),
        )

    def _import(self, node: Node) -> None:
        for tar in (self.dir / "pause.tar", *self._images):
            node.run_ctr("images", "import", str(tar), timeout_s=300)

    def _publish_api(self) -> None:
        """The endpoint of the Service `kubernetes`, which the bench's API server does not write."""
        piece = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [HOST_IP], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
        }
        self.apply(json.dumps(piece))

    # Names

    def _start_names(self) -> None:
        (self.dir / "names").mkdir()
        command = [
            "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root",
            "--conf-file=/dev/null", "--pid-file=", "--bind-interfaces",
            f"--listen-address={DNS_IP}", f"--hostsdir={self.dir / 'names'}",
            "--local=/cluster.local/", "--local=/svc/", "--log-facility=-",
        ]  # fmt: skip
        self._processes.start("dnsmasq", command, env=os.environ)

    def publish_names(self) -> None:
        """Give the Services that are there now the names that a cluster's DNS gives them."""
        services = json.loads(self.kubectl("get", "services", "-A", "-o", "json"))["items"]
        for one in services:
            name, namespace = one["metadata"]["name"], one["metadata"]["namespace"]
            address = one["spec"].get("clusterIP", "None")
            if address != "None":
                line = f"{address} {name}.{namespace}.svc.cluster.local\n"
                (self.dir / "names" / f"{namespace}-{name}").write_text(line)

    # Pods, by what every cluster has

    def log(self, namespace: str, pod: str, container: str | None = None) -> str:
        """Of the running container (kubectl logs)."""
        return super(Bench, self).log(namespace, pod, container)

    def exec(self, namespace: str, pod: str, *command: str, container: str | None = None) -> str:
        """By kubelet and containerd (kubectl exec)."""
        return super(Bench, self).exec(namespace, pod, *command, container=container)

    def kill(self, namespace: str, pod: str, container: str | None = None, sig: int = 9) -> None:
        """Send a signal to process 1 of a container, past the kubelet."""
        found = self.get("pod", pod, namespace) or {}
        statuses = found.get("status", {}).get("containerStatuses", ())
        for status in statuses:
            if container in (None, status["name"]) and "running" in status["state"]:
                node = self.nodes.index(found["spec"]["nodeName"])
                task = status["containerID"].removeprefix("containerd://")
                self._real[node].run_ctr("tasks", "kill", "--signal", str(int(sig)), task)
                return
        raise CommandFailed(f"pod {namespace}/{pod} does not run")

    def part_pid(self, index: int, part: str) -> int:
        """The process id of a node's containerd, kubelet or kube-proxy now; 0 while it is away."""
        return self._real[index].part_pid(part)
