"""Bench: a real Kubernetes control plane and process kubelets, for tests and developers.

Guarantees: with start() done, `kubectl apply` works and pods run; close() (or the end of this
process) ends everything that was started. Every wait has a deadline and says what it waited for.
"""

import compileall
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Self

from tests.bench import audit, netns
from tests.bench.build import build
from tests.bench.client import Cluster, CommandFailed, Json
from tests.bench.control_plane import ControlPlane, Processes
from tests.bench.kubelet import control, images
from tests.bench.reading import Reader

ROOT = Path(__file__).parents[2]


class Bench(Cluster):
    """One cluster. Build first, then enter() its network, then start(); `with` does all three.

    `nodes` process kubelets, named bench-0 and so on; `directory` holds logs, keys and volumes.
    """

    prefix = "bench"
    ready_deadline_s = 60.0
    flags: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Further ones of the control plane's parts; `{dir}` in a value is the bench's folder."""

    def __init__(self, *, nodes: int = 1) -> None:
        self.binary = build()
        self.dir = Path(tempfile.mkdtemp(prefix=f"pointsman-{self.prefix}-"))
        (self.dir / "log").mkdir()
        self.nodes = [f"{self.prefix}-{index}" for index in range(nodes)]
        self.start_seconds = 0.0
        self._processes = Processes(self.dir / "log")
        self._plane = ControlPlane(self.binary, self.dir, self._processes, self.flags)
        self._reader: Reader | None = None
        self._leave: Callable[[], None] = lambda: None

    @property
    def kubeconfig(self) -> Path:
        """An admin's kubeconfig."""
        return self._plane.kubeconfig

    @property
    def api_url(self) -> str:
        return self._plane.url

    @property
    def ca_file(self) -> Path:
        return self._plane.ca_file

    @property
    def helm_command(self) -> list[str]:
        return [str(self.binary), "helm"]

    def __enter__(self) -> Self:
        try:
            self.enter()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enter(self) -> None:
        """Move the calling thread into the bench's network; raises NoNamespace."""
        self._leave = netns.enter_new()

    def start(self) -> None:
        """Start everything; returns when every node is Ready and pods can be created."""
        began = time.monotonic()
        # An image holds its bytecode; a pod with a read-only root cannot keep what it compiles.
        for folder in ("crds", "operator", "router", "tests"):
            compileall.compile_dir(ROOT / folder, quiet=1)
        self._plane.start()
        self._reader = Reader(self.api_url, self.ca_file, *self._plane.admin)
        for index, node in enumerate(self.nodes):
            self.start_kubelet(node, index)
        self.wait_for(
            self._usable, self.ready_deadline_s, "a Ready node and the default service account"
        )
        self.start_seconds = time.monotonic() - began

    def close(self) -> None:
        """End all that was started and remove its files."""
        if self._reader is not None:
            self._reader.close()
        self._processes.close()
        audit.leave(self._plane.audit)
        self._leave()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start_kubelet(self, node: str, index: int = 0) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.bench.kubelet",
            "--kubeconfig",
            str(self.kubeconfig),
        ]
        command += ["--node", node, "--index", str(index), "--dir", str(self.dir)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        # TERM, not KILL: it has pods to end and memory volumes to remove.
        self._processes.start(f"kubelet-{node}", command, env=environment, on_death="TERM")

    def _usable(self) -> bool:
        for node in self.nodes:
            self._processes.check(f"kubelet-{node}")
        for part in ("kube-controller-manager", "kube-scheduler"):
            self._processes.check(part)
        ready = [
            node
            for node in self.list("nodes")
            for condition in node.get("status", {}).get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]
        account = self.get("serviceaccount", "default")
        trust = self.get("configmap", "kube-root-ca.crt")
        return len(ready) == len(self.nodes) and bool(account) and bool(trust)

    def get(self, kind: str, name: str, namespace: str = "default") -> Json | None:
        """One object, or None where it does not exist; kubectl is not started for it."""
        return self._reads.get(kind, name, namespace)

    def list(self, kind: str, namespace: str = "default", selector: str = "") -> list[Json]:
        """All objects of a kind, or of kinds that commas part; kubectl is not started for it."""
        return self._reads.list(kind, namespace, selector)

    @property
    def _reads(self) -> Reader:
        if self._reader is None:
            raise CommandFailed("the bench was not started")
        return self._reader

    def uses(self) -> set[audit.Use]:
        """What ServiceAccounts asked of the API server so far."""
        return audit.read(self._plane.audit)

    # Pods

    def add_image(self, image: str, programs: Path) -> None:
        """Containers of this image run the programs of another virtual environment's folder."""
        images.add(self.dir, image, programs)

    def log(self, namespace: str, pod: str, container: str | None = None) -> str:
        """What a container wrote, over all its restarts; also after the pod is gone."""
        files = sorted((self.dir / "log").glob(f"{namespace}_{pod}_{container or '*'}.log"))
        return "".join(file.read_text(errors="replace") for file in files)

    def pid(self, namespace: str, pod: str, container: str | None = None) -> int | None:
        """A container's process id now; None while it does not run."""
        answer = self._ask("pid", namespace, pod, container=container)
        pid: int | None = answer["pid"]
        return pid

    def kill(self, namespace: str, pod: str, container: str | None = None, sig: int = 9) -> None:
        """Send a signal to a container's process (SIGSTOP and SIGCONT freeze and thaw it)."""
        self._ask("kill", namespace, pod, container=container, signal=int(sig))

    def set_network(self, namespace: str, pod: str, *, up: bool) -> None:
        """Pull the pod's network cable, or plug it in again."""
        self._ask("network", namespace, pod, up=up)

    def volume(self, namespace: str, pod: str, name: str) -> Path:
        """Where a pod's volume is on the host."""
        return Path(self._ask("volume", namespace, pod, volume=name)["path"])

    def exec(self, namespace: str, pod: str, *command: str, container: str | None = None) -> str:
        """Run a command inside a running container; its standard output."""
        pid = self.pid(namespace, pod, container)
        if pid is None:
            raise CommandFailed(f"pod {namespace}/{pod} does not run")
        return self.run("nsenter", "-t", str(pid), "-m", "-n", "-u", "-r", "-w", "--", *command)

    def _ask(self, do: str, namespace: str, pod: str, **more: object) -> Json:
        refused: control.Refused | None = None
        for node in self.nodes:
            try:
                return control.ask(
                    self.dir / f"{node}.sock", do=do, namespace=namespace, pod=pod, **more
                )
            except control.Refused as error:
                refused = error
        raise refused or LookupError("a bench without nodes")

    # Faults

    def stop_api(self, *, kill: bool = True, etcd: bool = False) -> None:
        """Take the API server (and etcd) away: connections are refused."""
        self._plane.stop_api(kill=kill, etcd=etcd)

    def start_api(self) -> None:
        """Bring the API server (and etcd) back with the same data; returns when it is ready."""
        self._plane.start_api()

    def publish_authorities(self, bundle: bytes) -> None:
        """Put PEM into every namespace's kube-root-ca.crt, which pods have as their `ca.crt`."""
        self._plane.publish_authorities(bundle)

    def restart_etcd(self, *, away_s: float = 0.0) -> None:
        """Kill etcd alone: the API server lives and can neither read nor write for so long."""
        self._plane.restart_etcd(away_s)

    def pause_api(self, *, paused: bool) -> None:
        """Freeze the API server (connections are accepted, nothing is answered) or thaw it."""
        self._plane.pause_api(paused)
