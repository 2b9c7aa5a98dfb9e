"""A whole fleet on the bench: both charts, three routers, the support desk's backends.

Everything runs as pods of the charts' Deployments, under the charts' own ServiceAccounts. Callers
dial router pods and in turn: the bench has no kube-proxy, so Services have no address.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import yaml

from pointsman.api.callers import CallerEntry, hash_of
from pointsman.cli.key import manifest
from tests.bench import Bench, Cluster, CommandFailed
from tests.sdk import PLAIN

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "crds" / "examples"
RELEASE = "pointsman"
ROUTERS = 3
REACTS_S = 0.15
"""What is read sooner after an edit may be of before it."""
DELAY_S = 10
"""A router's delay at its end; the chart's is half of it, and not made for machines so busy."""
CALLER = "e2e"
CALLER_KEY = "pmk-caller-key-of-the-end-to-end-tests-5d1c"


@dataclass(slots=True)
class Fleet:
    """One release in one namespace."""

    cluster: Cluster
    namespace: str
    release: str = RELEASE
    _turn: Iterator[int] = field(default_factory=itertools.count)
    _told_s: float = 0.0
    """When kubectl did something last, by the monotonic clock."""

    @property
    def bench(self) -> Bench:
        """For what only the bench can do; TypeError on another cluster."""
        if not isinstance(self.cluster, Bench):
            raise TypeError("this needs the bench")
        return self.cluster

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """kubectl as admin in the fleet's namespace; raises on failure."""
        try:
            return self.cluster.kubectl("-n", self.namespace, *args, input=stdin)
        finally:
            self._told_s = time.monotonic()

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object; raises CommandFailed where it does not exist."""
        self._let_react()
        found = self.cluster.get(kind, name, self.namespace)
        if found is None:
            raise CommandFailed(f'Error from server (NotFound): {kind} "{name}" not found')
        return found

    def every(self, kinds: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of some kinds, which commas part."""
        self._let_react()
        return self.cluster.list(kinds, self.namespace, selector)

    def _let_react(self) -> None:
        """Nobody in a terminal reads a status sooner after an edit than this."""
        time.sleep(max(self._told_s + REACTS_S - time.monotonic(), 0.0))

    def condition(self, kind: str, name: str, wanted: str) -> dict[str, Any]:
        """One condition of an object; empty if it has none such."""
        conditions = self.get(kind, name).get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == wanted), {})

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Pods of the release's `operator` or `router`, by name."""
        release = f"app.kubernetes.io/instance={self.release}"
        listed = self.every("pods", f"{release},app.kubernetes.io/component={component}")
        return sorted(listed, key=lambda pod: pod["metadata"]["name"])

    def are_ready(self, component: str, count: int) -> bool:
        """So many pods, all of them ready and none on its way out."""
        pods = self.pods(component)
        ready = [
            pod
            for pod in pods
            for condition in pod.get("status", {}).get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]
        return len(pods) == len(ready) == count

    def routers(self) -> list[str]:
        """Base URLs of the router pods' data ports."""
        names = [pod["metadata"]["name"] for pod in self.pods("router")]
        return [f"{self.cluster.base_url(self.namespace, name, 8080)}/v1" for name in names]

    @contextmanager
    def client(self, base_url: str, key: str = CALLER_KEY) -> Iterator[openai.OpenAI]:
        """The real SDK, without its own retries: every failure is seen."""
        with (
            openai.DefaultHttpxClient(verify=PLAIN) as http,
            openai.OpenAI(
                base_url=base_url, api_key=key, max_retries=0, timeout=60, http_client=http
            ) as sdk,
        ):
            yield sdk

    def story(self) -> str:
        """Pods and the last lines of their logs: why something did not come to pass."""
        parts = [self.kubectl("get", "pods,mb,rp", "-o", "wide")]
        for component in ("operator", "router"):
            for pod in self.pods(component):
                name = pod["metadata"]["name"]
                lines = self.cluster.log(self.namespace, name).splitlines()[-15:]
                parts.append("\n".join([f"{name}:", *lines]))
        return "\n".join(parts)

    def apply_example(self, name: str) -> None:
        """`kubectl apply -f crds/examples/<name>/`."""
        self.kubectl("apply", "-f", f"{EXAMPLES / name}/")

    def wait_ready(self, *kinds: str, seconds: int = 120) -> None:
        """`kubectl wait --for=condition=Ready <kinds> --all`."""
        self.kubectl(
            "wait", "--for=condition=Ready", ",".join(kinds), "--all", f"--timeout={seconds}s"
        )


def callers(release: str = RELEASE) -> str:
    """The Secret with the caller of these tests, who may use everything."""
    everything = CallerEntry(keys=(hash_of(CALLER_KEY.encode()),), team="tests")
    return manifest.new(f"{release}-callers", CALLER, everything)


def rendered(bench: Cluster, namespace: str, release: str = RELEASE, *, values: str = "") -> str:
    """The chart's objects as Helm renders them, with more values if there are some."""
    return bench.helm(
        "template", release, str(ROOT / "charts" / "pointsman"), "--namespace", namespace,
        "--set", f"router.replicas={ROUTERS},router.minReadySeconds=1,operator.replicas=1",
        "--set", f"router.shutdownDelaySeconds={DELAY_S},router.drainSeconds={50 - DELAY_S}",
        *(["--set", values] if values else []),
        *(["--set", more] if (more := os.environ.get("POINTSMAN_E2E_SET")) else []),
    )  # fmt: skip


@contextmanager
def rights_only(bench: Cluster, namespace: str) -> Iterator[Fleet]:
    """Kinds and rights of both charts, and no pod."""
    bench.restricted_namespace(namespace)
    crds = bench.helm("template", "pointsman-crds", str(ROOT / "charts" / "pointsman-crds"))
    bench.kubectl("apply", "--server-side", "-f", "-", input=crds)
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    fleet = Fleet(bench, namespace)
    rights = [
        one
        for one in yaml.safe_load_all(rendered(bench, namespace))
        if one and one["kind"] in {"ServiceAccount", "Role", "RoleBinding"}
    ]
    fleet.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights))
    yield fleet
    bench.kubectl("delete", "namespace", namespace, "--wait=false")


def install(
    bench: Cluster,
    namespace: str,
    *,
    values: str = "",
    after: Callable[[Fleet], None] | None = None,
) -> Fleet:
    """
    Render both charts with Helm, apply them, and wait until three routers run.

    `values`: others of the chart's. `after` is called before the wait. What fails leaves nothing.
    """
    bench.restricted_namespace(namespace)
    try:
        return _installed(bench, namespace, values, after)
    except BaseException:
        bench.kubectl("delete", "namespace", namespace, "--timeout=60s", check=False)
        raise


def _installed(
    bench: Cluster, namespace: str, values: str, after: Callable[[Fleet], None] | None
) -> Fleet:
    fleet = Fleet(bench, namespace)
    fleet.kubectl("apply", "-f", "-", stdin=callers())
    crds = bench.helm("template", "pointsman-crds", str(ROOT / "charts" / "pointsman-crds"))
    bench.kubectl("apply", "--server-side", "-f", "-", input=crds)
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    chart = rendered(bench, namespace, values=values)
    bench.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", input=chart)
    if after is not None:
        after(fleet)
    try:
        fleet.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s")
    except CommandFailed as error:
        raise CommandFailed(f"{error}\n{fleet.story()}") from error
    return fleet
