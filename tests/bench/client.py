"""What tests ask of any Kubernetes cluster: kubectl, helm, tokens, logs, and how to reach a pod.

Guarantees: needs nothing but a kubeconfig, kubectl and helm. Every wait has a deadline and says
what it waited for. What only a bench can do (take the API server away, say) is in `Bench`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from tests.bench.control_plane import BenchBroken
from tests.bench.kubeconfig import write_kubeconfig

Json = dict[str, Any]
Found = TypeVar("Found")
WITHOUT_COLLECTING = {"GOGC": "off", "GOMEMLIMIT": "256MiB"}
"""For kubectl and helm, which end before their garbage matters: a third of their time."""
LEAST_S = 60.0
"""To wait for anything: a loaded machine takes long, and nobody waits for it otherwise."""


class CommandFailed(Exception):
    """kubectl or helm ended with an error; the message is what it said."""


class Cluster:
    """A cluster by its admin's kubeconfig; `dir` is a folder of its own for caches and files."""

    dir: Path

    @property
    def kubeconfig(self) -> Path:
        """An admin's kubeconfig."""
        raise NotImplementedError

    @property
    def api_url(self) -> str:
        raise NotImplementedError

    @property
    def ca_file(self) -> Path:
        raise NotImplementedError

    @property
    def helm_command(self) -> list[str]:
        """How helm is called."""
        raise NotImplementedError

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
            **WITHOUT_COLLECTING,
        }

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        """Run kubectl as admin; its standard output. With `check`, an error raises."""
        cache = f"--cache-dir={self.dir / 'kubectl-cache'}"
        return self.run("kubectl", cache, *arguments, input=input, check=check)

    def helm(self, *arguments: str, check: bool = True) -> str:
        """Run helm as admin; its standard output."""
        return self.run(*self.helm_command, *arguments, check=check)

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
        """All objects of a kind, or of kinds that commas part, in a namespace."""
        answer = self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        items: list[Json] = json.loads(answer)["items"]
        return items

    def wait_for(
        self, predicate: Callable[[], Found | Literal[False] | None], deadline_s: float, what: str
    ) -> Found:
        """Poll until `predicate()` is true and return its value; raises BenchBroken when late.

        Late is never before LEAST_S. While the API server is away, CommandFailed is "not yet".
        """
        end = time.monotonic() + max(deadline_s, LEAST_S)
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

    def restricted_namespace(self, name: str) -> None:
        """A new one, in which the API server admits no pod that breaks the restricted standard."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        about = {"name": name, "labels": labels}
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": about}
        self.kubectl("create", "-f", "-", input=json.dumps(made))

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

    def pod_ip(self, namespace: str, pod: str) -> str:
        """The pod's address, reachable from this process; raises LookupError before it has one."""
        found = self.get("pod", pod, namespace)
        address = found and found.get("status", {}).get("podIP")
        if not address:
            raise LookupError(f"pod {namespace}/{pod} has no address")
        return str(address)

    def base_url(self, namespace: str, pod: str, port: int) -> str:
        """http://host:port where we reach a port of a pod; LookupError while it has no address."""
        return f"http://{self.pod_ip(namespace, pod)}:{port}"

    def log(self, namespace: str, pod: str, container: str | None = None) -> str:
        """What a container wrote since it started; all containers where none is named."""
        which = ["-c", container] if container else ["--all-containers"]
        return self.kubectl("logs", "-n", namespace, pod, *which, check=False)

    def exec(self, namespace: str, pod: str, *command: str, container: str | None = None) -> str:
        """Run a command inside a running container; its standard output."""
        which = ["-c", container] if container else []
        return self.kubectl("exec", "-n", namespace, pod, *which, "--", *command)

    def kill(self, namespace: str, pod: str, container: str | None = None, sig: int = 9) -> None:
        """End a container without grace, as nearly as this cluster allows."""
        raise NotImplementedError
