"""Bench: a real Kubernetes control plane and process kubelets, for tests and developers.

Guarantees: with start() done, `kubectl apply` works and pods run; close() (or the end of this
process) ends everything that was started. Every wait has a deadline and says what it waited for.
"""

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from tests.bench import netns
from tests.bench.build import build
from tests.bench.control_plane import BenchBroken, ControlPlane, Processes
from tests.bench.kubeconfig import write_kubeconfig
from tests.bench.kubelet import control

Json = dict[str, Any]
Found = TypeVar("Found")
ROOT = Path(__file__).parents[2]


class CommandFailed(Exception):
    """kubectl or helm ended with an error; the message is what it said."""


class Bench:
    """One cluster. Build first, then enter() its network, then start(); `with` does all three.

    `nodes` process kubelets, named bench-0 and so on; `directory` holds logs, keys and volumes.
    """

    def __init__(self, *, nodes: int = 1) -> None:
        self.binary = build()
        self.dir = Path(tempfile.mkdtemp(prefix="pointsman-bench-"))
        (self.dir / "log").mkdir()
        self.nodes = [f"bench-{index}" for index in range(nodes)]
        self.start_seconds = 0.0
        self._processes = Processes(self.dir / "log")
        self._plane = ControlPlane(self.binary, self.dir, self._processes)
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
        for index, node in enumerate(self.nodes):
            self.start_kubelet(node, index)
        self.wait_for(self._usable, 60, "a Ready node and the default service account")
        self.start_seconds = time.monotonic() - began

    def close(self) -> None:
        """End all that was started and remove its files."""
        self._processes.close()
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
        listed = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        ready = [
            node
            for node in listed
            for condition in node.get("status", {}).get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]
        account = self.kubectl("get", "serviceaccount", "default", "--ignore-not-found")
        trust = self.kubectl("get", "configmap", "kube-root-ca.crt", "--ignore-not-found")
        return len(ready) == len(self.nodes) and bool(account) and bool(trust)

    # Commands

    def environment(self) -> dict[str, str]:
        """What a command needs to find this cluster and this venv."""
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
        return os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": path,
            "HELM_CACHE_HOME": str(self.dir / "helm"),
            "HELM_CONFIG_HOME": str(self.dir / "helm"),
            "HELM_DATA_HOME": str(self.dir / "helm"),
        }

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        """Run kubectl as admin; its standard output. With `check`, an error raises."""
        cache = f"--cache-dir={self.dir / 'kubectl-cache'}"
        return self.run("kubectl", cache, *arguments, input=input, check=check)

    def helm(self, *arguments: str, check: bool = True) -> str:
        """Run helm as admin; its standard output."""
        return self.run(str(self.binary), "helm", *arguments, check=check)

    def run(self, *command: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        """Run a command inside the bench with KUBECONFIG set; its standard output."""
        done = subprocess.run(
            command,
            input=input,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=self.environment(),
        )
        if check and done.returncode != 0:
            text = done.stderr.strip() or done.stdout.strip()
            raise CommandFailed(f"{' '.join(command)} ended with {done.returncode}: {text}")
        return done.stdout

    def apply(self, manifest: str | Path) -> str:
        """Server-side apply of YAML text, a file or a folder."""
        options = ("apply", "--server-side", "--force-conflicts", "-f")
        if isinstance(manifest, Path):
            return self.kubectl(*options, str(manifest))
        return self.kubectl(*options, "-", input=manifest)

    def get(self, kind: str, name: str, namespace: str = "default") -> Json | None:
        """One object, or None where it does not exist."""
        text = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        found: Json | None = json.loads(text) if text.strip() else None
        return found

    def list(self, kind: str, namespace: str = "default", selector: str = "") -> list[Json]:
        """All objects of a kind in a namespace."""
        answer = self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        items: list[Json] = json.loads(answer)["items"]
        return items

    def wait_for(
        self, predicate: Callable[[], Found | Literal[False] | None], deadline_s: float, what: str
    ) -> Found:
        """Poll until `predicate()` is true and return its value; raises BenchBroken when late.

        While the API server is away, CommandFailed counts as "not yet".
        """
        end = time.monotonic() + deadline_s
        trouble = ""
        while True:
            try:
                if found := predicate():
                    return found
            except CommandFailed as error:
                trouble = f" (last error: {error})"
            if time.monotonic() > end:
                raise BenchBroken(f"waited {deadline_s:g} s for {what}{trouble}")
            time.sleep(0.15)

    # Identities

    def token(
        self, namespace: str, name: str, audience: str | None = None, duration_s: int = 3600
    ) -> str:
        """A real token of a ServiceAccount (TokenRequest)."""
        options = [f"--duration={duration_s}s", *([f"--audience={audience}"] if audience else [])]
        return self.kubectl("create", "token", name, "-n", namespace, *options).strip()

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig that acts as this ServiceAccount, with its own RBAC and no more."""
        path = self.dir / f"{namespace}-{name}.kubeconfig"
        user = {"token": self.token(namespace, name, duration_s=24 * 3600)}
        return write_kubeconfig(path, server=self.api_url, ca=self.ca_file, user=user)

    # Pods

    def pod_ip(self, namespace: str, pod: str) -> str:
        """The pod's address, reachable from this process; raises LookupError before it has one."""
        found = self.get("pod", pod, namespace)
        address = found and found.get("status", {}).get("podIP")
        if not address:
            raise LookupError(f"pod {namespace}/{pod} has no address")
        return str(address)

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

    def pause_api(self, *, paused: bool) -> None:
        """Freeze the API server (connections are accepted, nothing is answered) or thaw it."""
        self._plane.pause_api(paused)
