"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler as separate processes.

Guarantees: after start() the API server answers /readyz and the kubeconfig is an admin's; its
data and port outlive stop_api()/start_api(); every process ends with this one, however it ends.
Refuses to wait forever: a part that dies or is late raises with the tail of its log.
"""

import json
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench import audit
from tests.bench.certificates import write_certificates
from tests.bench.kubeconfig import encoded, write_kubeconfig
from tests.bench.netns import HOST_IP

API_PORT = 6443
ETCD_URL = "http://127.0.0.1:2379"
_PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class BenchBroken(Exception):
    """A part of the bench ended or did not get ready in time."""


class Processes:
    """The bench's child processes by name; each dies with us, also when we are killed."""

    def __init__(self, log_directory: Path) -> None:
        self._logs = log_directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        # The kernel sends the parent-death signal when the *thread* that started the child
        # ends. So one thread that lives as long as we do starts them all.
        self._starter = ThreadPoolExecutor(max_workers=1)

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], on_death: str = "KILL"
    ) -> None:
        """Start one part; its output is appended to <logs>/<name>.log."""

        def spawn() -> subprocess.Popen[bytes]:
            with self.log(name).open("ab") as log:
                return subprocess.Popen(
                    ["setpriv", "--pdeathsig", on_death, "--", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    start_new_session=True,
                )

        self._running[name] = self._starter.submit(spawn).result()

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def has(self, name: str) -> bool:
        return name in self._running

    def signal(self, name: str, number: signal.Signals) -> None:
        self._running[name].send_signal(number)

    def check(self, name: str) -> None:
        """Raise if the part has ended."""
        status = self._running[name].poll()
        if status is not None:
            raise BenchBroken(f"{name} ended with {status}\n{self.tail(name)}")

    def tail(self, name: str) -> str:
        path = self.log(name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join([f"last lines of {path}:", *lines[-15:]])

    def stop(self, name: str, *, kill: bool = False, grace_s: float = 5) -> None:
        """End one part and wait for its end."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        for name in reversed(list(self._running)):
            self.stop(name, kill=name in _PARTS)
        self._starter.shutdown()


class ControlPlane:
    """One Kubernetes control plane in the calling thread's network namespace."""

    def __init__(
        self,
        binary: Path,
        directory: Path,
        processes: Processes,
        flags: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._binary = binary
        self._more = flags or {}
        self._directory = directory
        self._processes = processes
        self._pki = directory / "pki"
        self.ca_file = self._published = self._pki / "ca.crt"
        self.kubeconfig = directory / "admin.kubeconfig"
        self.audit = directory / "audit"
        self.admin = (self._pki / "admin.crt", self._pki / "admin.key")
        self.url = f"https://{HOST_IP}:{API_PORT}"

    def start(self, deadline_s: float = 90) -> None:
        write_certificates(self._pki)
        self.audit.mkdir()
        (self._directory / "audit-policy.json").write_text(json.dumps(audit.POLICY))
        write_kubeconfig(
            self.kubeconfig,
            server=self.url,
            ca=self.ca_file,
            user={
                "client-certificate-data": encoded(self.admin[0]),
                "client-key-data": encoded(self.admin[1]),
            },
        )
        self._start_part("etcd")
        self.start_api(deadline_s)
        self._start_part("kube-controller-manager")
        self._start_part("kube-scheduler")

    def stop_api(self, *, kill: bool = True, etcd: bool = False) -> None:
        """Take the API server away; its clients see connections refused."""
        self._processes.stop("kube-apiserver", kill=kill, grace_s=60)
        if etcd:
            self._processes.stop("etcd", kill=kill)

    def start_api(self, deadline_s: float = 60) -> None:
        """Start the API server (and etcd, if it was stopped too) and wait until it is ready."""
        if not self._processes.has("etcd"):
            self._start_part("etcd")
        self._start_part("kube-apiserver")
        self._wait_ready(deadline_s)

    def publish_authorities(self, bundle: bytes) -> None:
        """What pods' ServiceAccounts trust from now on: the controller manager tells them."""
        file = self._pki / "published.crt"
        file.write_bytes(bundle)
        self._published = file
        self._processes.stop("kube-controller-manager")
        self._start_part("kube-controller-manager")

    def restart_etcd(self, away_s: float, deadline_s: float = 60) -> None:
        """Kill the API server's store alone, and bring it back with the same data."""
        self._processes.stop("etcd", kill=True)
        time.sleep(away_s)
        self._start_part("etcd")
        self._wait_ready(deadline_s)

    def pause_api(self, paused: bool) -> None:
        """Freeze the API server: it accepts connections and answers nothing. Or thaw it."""
        self._processes.signal("kube-apiserver", signal.SIGSTOP if paused else signal.SIGCONT)

    def _wait_ready(self, deadline_s: float) -> None:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(*self.admin)
        end = time.monotonic() + deadline_s
        while True:
            for name in ("etcd", "kube-apiserver"):
                self._processes.check(name)
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2, context=context):
                    return
            except urllib.error.HTTPError as error:
                answer = f"{error.code}"
                error.close()
            except (OSError, TimeoutError) as error:
                answer = str(error)
            if time.monotonic() > end:
                tail = self._processes.tail("kube-apiserver")
                raise BenchBroken(f"kube-apiserver not ready in {deadline_s} s: {answer}\n{tail}")
            time.sleep(0.1)

    def _start_part(self, name: str) -> None:
        more = self._more.get(name, {})
        wanted = self._flags(name) | {
            key: value.format(dir=self._directory) for key, value in more.items()
        }
        flags = [f"--{key}={value}" for key, value in wanted.items()]
        # GOGC: four Go processes share two cores; a bigger heap is cheaper than collecting it.
        self._processes.start(name, [str(self._binary), name, *flags], env={"GOGC": "200"})

    def _flags(self, name: str) -> dict[str, str]:
        if name == "etcd":
            return self._etcd_flags()
        if name == "kube-apiserver":
            return self._api_flags()
        kube = {
            "kubeconfig": str(self.kubeconfig),
            "leader-elect": "false",
            "profiling": "false",
            "secure-port": "0",
            "kube-api-qps": "200",
            "kube-api-burst": "400",
        }
        if name == "kube-scheduler":
            return kube
        return kube | {
            "root-ca-file": str(self._published),
            "service-account-private-key-file": str(self._pki / "sa.key"),
            "use-service-account-credentials": "false",
            "allocate-node-cidrs": "false",
            # A test that freezes or starves the kubelet must not lose its node to it.
            "node-monitor-grace-period": "300s",
        }

    def _etcd_flags(self) -> dict[str, str]:
        return {
            "name": "bench",
            "data-dir": str(self._directory / "etcd"),
            "listen-client-urls": ETCD_URL,
            "advertise-client-urls": ETCD_URL,
            "listen-peer-urls": "http://127.0.0.1:2380",
            "initial-advertise-peer-urls": "http://127.0.0.1:2380",
            "initial-cluster": "bench=http://127.0.0.1:2380",
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }

    def _api_flags(self) -> dict[str, str]:
        issuer = "https://kubernetes.default.svc.cluster.local"
        return {
            "etcd-servers": ETCD_URL,
            "bind-address": HOST_IP,
            "advertise-address": HOST_IP,
            "secure-port": str(API_PORT),
            "endpoint-reconciler-type": "none",
            "kubelet-preferred-address-types": "InternalIP",
            "authorization-mode": "RBAC",
            "client-ca-file": str(self.ca_file),
            "tls-cert-file": str(self._pki / "server.crt"),
            "tls-private-key-file": str(self._pki / "server.key"),
            "service-account-issuer": issuer,
            "service-account-key-file": str(self._pki / "sa.key"),
            "service-account-signing-key-file": str(self._pki / "sa.key"),
            "service-cluster-ip-range": "10.96.0.0/16",
            "allow-privileged": "true",
            "profiling": "false",
            "audit-policy-file": str(self._directory / "audit-policy.json"),
            "audit-log-path": str(self.audit / "audit.log"),
        }
