"""The last release, this tree, and the last release again, under traffic, on a real control plane.

Both charts by the real helm, in the order of docs/upgrade.md: kinds, ledger, operator, routers; and
back without the kinds, the ledger last. Between the steps operator and routers are of different
versions, both ways. Model servers of the fleet name their own image, as vLLM does; one is a
simulator, whose image is the operator's: it is replaced, and loses nothing either.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from tests.bench import Bench, CommandFailed
from tests.bench.netns import HOST_IP
from tests.e2e.endpoints import URL, ready_endpoints
from tests.e2e.fleet import DELAY_S, RELEASE, ROUTERS, Fleet, callers
from tests.e2e.objects import Json, backend, policy
from tests.e2e.traffic import Seen, traffic, until
from tests.upgrade.previous import Release

NAMESPACE: Final = "upgrade"
IMAGE: Final = "pointsman/pointsman"
LEDGER_PORT: Final = 19903
TOKEN: Final = "ledger-token-of-the-upgrade-0123456789"
PATIENCE_S: Final = 240.0
"""For a rollout of three routers, one after the other, on a machine that does other things."""
OPERATORS: Final = 2
VALUES: Final[Json] = {
    "operator": {"replicas": OPERATORS},
    "router": {
        "replicas": ROUTERS,
        "minReadySeconds": 1,
        "shutdownDelaySeconds": DELAY_S,
        "drainSeconds": 50 - DELAY_S,
    },
    "ledger": {"url": f"http://{HOST_IP}:{LEDGER_PORT}", "tokenSecret": "ledger"},
}
OWN: Final = ("a", "b")
"""Backends whose image is their own."""


def own_server(name: str) -> Json:
    """A model server that the operator deploys and whose version is nobody's business."""
    command = ["pointsman-simulator", f"--model={name}-llm", "--host=0.0.0.0", "--port=8000"]
    return backend(
        name,
        deployment={"engine": "Custom", "image": f"{IMAGE}:models", "command": command},
        cost={"inputPerMillion": "1", "outputPerMillion": "1"},
    )


class Ledger:
    """One store, by one version after the other, at one address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = folder / "ledger-token"
        self._token.write_text(TOKEN)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, release: Release) -> None:
        """Of this version; returns when it answers."""
        with (self._folder / "log" / "ledger.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(release), stdout=log, stderr=log)
        end_s = time.monotonic() + 90
        while True:
            try:
                self.total()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end_s:
                    text = (self._folder / "log" / "ledger.log").read_text()[-1500:]
                    raise AssertionError(f"no ledger: {error}\n{text}") from error
                time.sleep(0.2)
            else:
                return

    def stop(self) -> None:
        """As a pod is ended."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None

    def migrate(self, release: Release, to: int) -> str:
        """What `--migrate-to` says."""
        command = [*self._command(release), f"--migrate-to={to}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def total(self) -> int:
        """Requests that it knows of."""
        request = urllib.request.Request(
            f"http://{HOST_IP}:{LEDGER_PORT}/v1/summary?since=1h&by=policy",
            headers={"authorization": f"Bearer {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            lines = json.load(answer)["lines"]
        return sum(int(one["requests"]) for one in lines if one["by"]["policy"] == "desk")

    def _command(self, release: Release) -> list[str]:
        return [
            str(release.programs / "pointsman-ledger"),
            f"--listen={HOST_IP}:{LEDGER_PORT}",
            f"--db={self._folder / 'ledger.db'}",
            f"--token-file={self._token}",
        ]


@dataclass(slots=True)
class Drill:
    """One run; `said` is what it found, line by line."""

    bench: Bench
    before: Release
    after: Release
    before_schema: int
    """Of the ledger's store."""
    say: Callable[[str], None]
    fleet: Fleet = field(init=False)
    ledger: Ledger = field(init=False)
    broken: list[str] = field(default_factory=list)
    _turn: int = 0

    def __post_init__(self) -> None:
        self.fleet = Fleet(self.bench, NAMESPACE)
        self.ledger = Ledger(self.bench.dir)
        self.bench.add_image(f"{IMAGE}:{self.before.name}", self.before.programs)

    # Steps

    def install(self) -> None:
        """The last release and what its users have: models, policies, a suite, traffic's key."""
        self.bench.kubectl("create", "namespace", NAMESPACE)
        self.fleet.kubectl("apply", "-f", "-", stdin=callers())
        self.fleet.kubectl("create", "secret", "generic", "ledger", f"--from-literal=token={TOKEN}")
        self.ledger.start(self.before)
        self.kinds(self.before)
        self.bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        self._helm("install", self.before)
        self._settled("operator", self.before)
        self._settled("router", self.before)
        self.apply(*map(own_server, OWN), backend("simulated"), self.desk())
        self.fleet.apply_example("19-evaluated-backend")
        self.ready()
        self.bench.wait_for(self.quality, 120, "golden prompts that were asked")

    def kinds(self, release: Release) -> None:
        """The CRDs, by their own chart."""
        chart = str(release.charts / "pointsman-crds")
        self.bench.helm("upgrade", "--install", "pointsman-crds", chart)

    def ledger_to(self, release: Release, schema: int | None = None) -> None:
        """The store goes forward by itself, back by whom knows the way."""
        self.ledger.stop()
        if schema is not None:
            self.say(self.ledger.migrate(self.after, schema))
        self.ledger.start(release)

    def operator_to(self, release: Release) -> None:
        """Only the operator: routers stay what they are."""
        image = f"operator={IMAGE}:{release.name}"
        self.fleet.kubectl("set", "image", f"deployment/{RELEASE}-operator", image)
        self._settled("operator", release)

    def upgrade(self) -> None:
        """The rest of the chart, with helm."""
        self._helm("upgrade", self.after)
        self._settled("operator", self.after)
        self._settled("router", self.after)

    def rollback(self) -> None:
        """To the revision that helm has of the last release."""
        self.bench.helm("rollback", RELEASE, "1", "--namespace", NAMESPACE, "--force-conflicts")
        self._settled("operator", self.before)
        self._settled("router", self.before)

    def edit(self) -> None:
        """A new revision, with every router's word for it."""
        self._turn += 1
        self.apply(self.desk())
        name = self.desk()["metadata"]["name"]

        def programmed() -> bool:
            found = self.fleet.get("rp", name)
            status = found.get("status", {})
            there = {one["type"]: one for one in status.get("conditions", ())}
            ready = there.get("Ready", {})
            return bool(
                ready.get("status") == "True"
                and ready.get("observedGeneration") == found["metadata"]["generation"]
                and status["routers"]["summary"] == f"{ROUTERS}/{ROUTERS}"
            )

        self.bench.wait_for(programmed, PATIENCE_S, f"revision {self._turn} on every router")

    # What is there

    def desk(self) -> Json:
        """The policy that traffic asks; another one each turn."""
        made = policy("desk", "auto", *OWN, "simulated", chain=("a",))
        made["spec"]["default"]["targets"][0]["weight"] = 1 + self._turn
        return made

    def apply(self, *items: Json) -> None:
        """`kubectl apply`."""
        text = yaml.safe_dump_all(items)
        self.fleet.kubectl("apply", "-f", "-", stdin=text)

    def ready(self) -> None:
        """Everything that users have."""
        self.bench.wait_for(self._all_ready, PATIENCE_S, "all models and policies to be Ready")

    def _all_ready(self) -> bool:
        items = self.fleet.every("mb,rp,es")
        return all(
            any(
                one["type"] == "Ready" and one["status"] == "True"
                for one in item.get("status", {}).get("conditions", ())
            )
            for item in items
        )

    def quality(self) -> object:
        """What is known of the evaluated backend."""
        return self.fleet.get("mb", "coder").get("status", {}).get("quality")

    def lasting(self) -> Json:
        """What an upgrade has no business with; a difference is a line of the report."""
        pods = self.fleet.every("pods")
        kept = ("controllerrevisions", "configmaps", "mb,rp,es")
        listed = {kind: self.fleet.every(kind) for kind in kept}
        return {
            "model servers": sorted(
                [pod["metadata"]["uid"], *_restarts(pod)]
                for pod in pods
                if pod["metadata"]["labels"].get("pointsman.dev/backend") in OWN
            ),
            "their Deployments": sorted(
                [one["metadata"]["name"], one["metadata"]["generation"]]
                for one in self.bench.list("deployments", NAMESPACE, "pointsman.dev/backend")
                if one["metadata"]["labels"]["pointsman.dev/backend"] in OWN
            ),
            "revisions": sorted(_uids(listed["controllerrevisions"])),
            "state of suites and drift": sorted(
                one["metadata"]["uid"]
                for one in listed["configmaps"]
                if "drift" in one["metadata"]["name"] or "suite" in one["metadata"]["name"]
            ),
            "objects": sorted(
                [one["metadata"]["uid"], json.dumps(one["spec"], sort_keys=True)]
                for one in listed["mb,rp,es"]
                if one["metadata"]["name"] != "desk"
            ),
            "quality": self.quality(),
        }

    def same(self, before: Json, what: str) -> None:
        """Nothing that lasts is another one."""
        self.ready()
        now = self.lasting()
        for name, value in before.items():
            new = now[name]
            if name == "revisions":  # an edit between adds some
                new = [one for one in new if one in value]
            if new != value:
                self.broken.append(f"{what}: {name}: {value} became {now[name]}")

    def _helm(self, do: str, release: Release) -> None:
        values = self.bench.dir / "values.yaml"
        values.write_text(yaml.safe_dump(VALUES | {"image": {"tag": release.name}}))
        more = ("--force-conflicts",) if do == "upgrade" else ()
        self.bench.helm(
            do, RELEASE, str(release.charts / "pointsman"), "--namespace", NAMESPACE,
            "-f", str(values), *more,
        )  # fmt: skip

    def _settled(self, component: str, release: Release) -> None:
        """Every pod of it is of this version and ready, and no other is left."""
        count = ROUTERS if component == "router" else OPERATORS

        def settled() -> bool:
            pods = self.fleet.pods(component)
            tags = {
                one["image"].rpartition(":")[2] for pod in pods for one in pod["spec"]["containers"]
            }
            return tags == {release.name} and self.fleet.are_ready(component, count)

        try:
            self.bench.wait_for(settled, PATIENCE_S, f"{component} of {release.name}")
        except Exception as error:
            raise CommandFailed(f"{error}\n{self.fleet.story()}") from error


def _restarts(pod: Json) -> list[int]:
    return [one["restartCount"] for one in pod["status"].get("containerStatuses", ())]


def _uids(items: list[Json]) -> list[str]:
    return [str(one["metadata"]["uid"]) for one in items]


async def play(drill: Drill) -> Seen:
    """There and back under traffic; what the callers saw. `drill.broken` has all else."""

    async def step(name: str, do: Callable[..., object], *arguments: object) -> None:
        began_s, failed = time.monotonic(), len(seen.failures)
        answered = seen.total
        await asyncio.to_thread(do, *arguments)
        drill.say(
            f"{name:56} {time.monotonic() - began_s:6.1f} s  {seen.total - answered:6,} requests"
            f"  {len(seen.failures) - failed} failed"
        )

    seen = Seen()
    try:
        await step(f"{drill.before.name}: install, models, policies, a suite", drill.install)
        async with AsyncExitStack() as stack:
            endpoints = await stack.enter_async_context(ready_endpoints(drill.fleet))
            asking = traffic([URL], resolver=endpoints, clients=6, pause_s=0.2)
            seen = await stack.enter_async_context(asking)
            await until(seen, 50)
            lasting = await asyncio.to_thread(drill.lasting)
            await step("kinds forward", drill.kinds, drill.after)
            await step("ledger forward", drill.ledger_to, drill.after)
            await step("operator forward, routers as they were", drill.operator_to, drill.after)
            await step("  an edit", drill.edit)
            await step("all forward: helm upgrade", drill.upgrade)
            await step("  an edit", drill.edit)
            await asyncio.to_thread(drill.same, lasting, "after the upgrade")
            await until(seen, 50)
            await step("operator back, routers as they were", drill.operator_to, drill.before)
            await step("  an edit", drill.edit)
            await step("all back: helm rollback", drill.rollback)
            await step("ledger back", drill.ledger_to, drill.before, drill.before_schema)
            await step("  an edit", drill.edit)
            await asyncio.to_thread(drill.same, lasting, "after the rollback")
            await until(seen, 50)
        await asyncio.to_thread(_counted, drill, seen)
    finally:
        with contextlib.suppress(ProcessLookupError):
            drill.ledger.stop()
    return seen


def _counted(drill: Drill, seen: Seen) -> None:
    """Every request that was answered is in the ledger, once, whichever versions told it."""
    wanted = sum(seen.answered.values())
    with contextlib.suppress(Exception):
        drill.bench.wait_for(lambda: drill.ledger.total() >= wanted, 90, "all requests")
    found = drill.ledger.total()
    drill.say(f"in the ledger: {found:,} of {wanted:,} requests")
    if found != wanted:
        drill.broken.append(f"the ledger has {found} of {wanted} requests")


def schema_of(release: Release) -> int:
    """The newest schema that a version's ledger knows."""
    script = "from pointsman.ledger.stores.schema import VERSION; print(VERSION)"
    done = subprocess.run(
        [str(release.python), "-P", "-c", script], check=True, capture_output=True, text=True,
        cwd=release.programs, env={},
    )  # fmt: skip
    return int(done.stdout)
