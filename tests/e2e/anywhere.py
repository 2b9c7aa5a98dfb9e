"""Any cluster by nothing but a kubeconfig: kind's, a cloud's, or tests.pods'.

Guarantees: the caller's kubeconfig is read, never written; pods are reached by port-forwarding, so
their network need not be ours; every port-forward ends with this object. Refuses what only a bench
can do: tests of it are skipped and say so.
"""

import base64
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import yaml

from tests.bench.build import build
from tests.bench.client import Cluster, CommandFailed
from tests.bench.control_plane import BenchBroken

VARIABLE = "POINTSMAN_E2E_KUBECONFIG"
_FORWARDING = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+)")


class NoCluster(Exception):
    """The kubeconfig does not lead to a cluster; the message says why."""


class Anywhere(Cluster):
    """`with` it; `kubeconfig` is a file whose current context is an admin of the cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        if not kubeconfig.is_file():
            raise NoCluster(f"{VARIABLE}: no file {kubeconfig}")
        self.dir = Path(tempfile.mkdtemp(prefix="pointsman-anywhere-"))
        self._forwards: dict[tuple[str, str, int], tuple[subprocess.Popen[bytes], str]] = {}
        self._kubeconfig = self.dir / "kubeconfig"
        self._kubeconfig.touch(mode=0o600)
        shutil.copyfile(kubeconfig, self._kubeconfig)

    def __enter__(self) -> Self:
        try:
            # Only the context in use, with what it names by file inside.
            whole = self.kubectl("config", "view", "--minify", "--flatten", "--raw")
            self._kubeconfig.write_text(whole)
            self.kubectl("version", "--request-timeout=20s")
        except CommandFailed as error:
            self.close()
            raise NoCluster(f"{VARIABLE}: {error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def kubeconfig(self) -> Path:
        """A copy of the caller's, with its current context only."""
        return self._kubeconfig

    @property
    def api_url(self) -> str:
        return str(self._cluster["server"])

    @property
    def ca_file(self) -> Path:
        path = self.dir / "ca.crt"
        path.write_bytes(base64.b64decode(self._cluster["certificate-authority-data"]))
        return path

    @property
    def _cluster(self) -> dict[str, str]:
        found: dict[str, str] = yaml.safe_load(self._kubeconfig.read_text())["clusters"][0][
            "cluster"
        ]
        return found

    @property
    def helm_command(self) -> list[str]:
        """The machine's helm, else the bench's, which is built for it."""
        helm = shutil.which("helm")
        return [helm] if helm else [str(build()), "helm"]

    def base_url(self, namespace: str, pod: str, port: int) -> str:
        """A port of 127.0.0.1 that kubectl forwards; raises BenchBroken after 30 s."""
        key = (namespace, pod, port)
        known = self._forwards.get(key)
        if known and known[0].poll() is None:
            return known[1]
        self._forwards[key] = self._forward(namespace, pod, port)
        return self._forwards[key][1]

    def _forward(self, namespace: str, pod: str, port: int) -> tuple[subprocess.Popen[bytes], str]:
        log = self.dir / f"forward-{namespace}-{pod}-{port}.log"
        command = ["kubectl", "port-forward", "-n", namespace, f"pod/{pod}", f":{port}"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment(),
            )  # fmt: skip
        end_s = time.monotonic() + 30
        while not (found := _FORWARDING.search(log.read_bytes())):
            if process.poll() is not None or time.monotonic() > end_s:
                process.kill()
                process.wait()
                raise BenchBroken(f"no port-forward to {pod}: {log.read_text(errors='replace')}")
            time.sleep(0.05)
        return process, f"http://127.0.0.1:{int(found[1])}"

    def kill(self, namespace: str, pod: str, *_: object, **__: object) -> None:
        """The nearest that every cluster can do: the pod is deleted without any grace."""
        self.kubectl(
            "delete", "pod", "-n", namespace, pod, "--grace-period=0", "--force", "--wait=false"
        )

    def close(self) -> None:
        """End the port-forwards and remove the copy of the kubeconfig."""
        for process, _ in self._forwards.values():
            process.kill()
            process.wait()
        self._forwards.clear()
        shutil.rmtree(self.dir, ignore_errors=True)


def given() -> Path | None:
    """The kubeconfig that POINTSMAN_E2E_KUBECONFIG names; None: the bench is used."""
    value = os.environ.get(VARIABLE)
    return Path(value).expanduser() if value else None
