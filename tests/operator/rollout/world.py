"""One policy with a rollout, the API server in memory, a router that counts what it is told."""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from pointsman.api import table
from pointsman.api.counted import DURATION_BOUNDS_S, ArmCounts, Arms
from pointsman.ledger.recent import Recent, Recorded
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.controllers.pinning import Pins
from pointsman.operator.controllers.policies import PolicyController
from pointsman.operator.controllers.probing import Prober
from pointsman.operator.controllers.reevaluating import Reevaluator
from pointsman.operator.controllers.replaying import Replayer
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.shadowing import Shadower
from pointsman.operator.controllers.shifting import Shifter
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.evaluating.suite_run import Answer, SuiteRun
from pointsman.operator.plan.policy_status import RouterView
from pointsman.operator.plan.rollout.record import Record, load_rollouts
from pointsman.operator.plan.rollout.replaying import Replayed
from pointsman.operator.plan.rollout.rerouting import Job, replay
from pointsman.operator.plan.shifting import Capacity
from tests.operator.fake_api import FakeApi
from tests.operator.learning import idle_learner
from tests.operator.objects import backend, policy, route
from tests.operator.reconciling import reconcile_twice
from tests.operator.rollout.unseen import Unseen
from tests.operator.test_controllers import MANIFEST, SETTINGS, Fleet, manifest

STEPS = [
    {"weightPercent": 20, "minRequests": 100, "minDuration": "10s"},
    {"weightPercent": 60, "minRequests": 400, "minDuration": "10s"},
]
ROLLOUT: Mapping[str, Any] = {"steps": STEPS, "stepDeadline": "10m"}
FAST, SLOW = 20, 40
"""Buckets of durations."""


class Router(Fleet):
    """One router; what it counts is set by `World.serve`."""

    def __init__(self, api: FakeApi) -> None:
        super().__init__(api)
        self.counted: dict[str, Arms] = {}
        self.silent = False
        self.shadowless = False
        """It is older than shadows."""
        self.refuses = ""
        """Why it takes no candidate."""
        self.told: table.Served = {}
        self.load: dict[str, int] | None = {}
        """Requests in flight by backend; None: it does not say."""

    def served(self) -> dict[str, table.Served]:
        return {"r1": self.told}

    def totals(self) -> dict[str, int] | None:
        return self.load

    def arms(self, policy: str) -> Mapping[str, Arms]:
        return {"r1": self.counted[policy]} if policy in self.counted else {}

    def views(self) -> list[RouterView]:
        (view,) = super().views()
        acks = view.acks
        if self.refuses:
            acks = {
                name: structs.replace(
                    ack, candidate="", weight_percent=0, candidate_error=self.refuses
                )
                for name, ack in acks.items()
            }
        if self.shadowless:
            acks = {name: structs.replace(ack, shadow_percent=0) for name, ack in acks.items()}
        return [RouterView(pod="r1", silent=self.silent, acks=acks, position=view.position)]


class World:
    """Policy `desk` at backend `a`; `edit` makes a candidate at another one."""

    def __init__(self, *, most_each: int = 1) -> None:
        self.most_each = most_each
        self.writes: list[str] = []
        self.weights: list[int] = []
        """Of the candidate, in every table that was stored."""
        self.api = FakeApi(self._count)
        self.router = Router(self.api)
        self.now_s = 1_800_000_000.0
        self.due = 0
        self.ready: dict[str, int] = {}
        """Replicas of backends that the operator scales."""
        self.unseen = Unseen()
        self.follows = False
        """Whether they become what is asked for, at the next look."""
        self.recent: list[Recorded] | None = None
        """None: the ledger is away."""
        self.replays: list[Job] = []
        self.asked = ("", 0.0, 0)
        """Of the ledger, last."""
        self.api.put(*(backend(name) for name in "abc"))
        self.begin()

    def scale(self) -> None:
        """`a` has 8 replicas and 40 requests, `b` one; both have soon what is asked for."""
        scaling = {"maxReplicas": 8, "targetRequests": 8}
        self.api.put(*(backend(name, scaling=scaling) for name in "ab"))
        self.ready, self.follows, self.router.load = {"a": 8, "b": 1}, True, {"a": 40}

    def _count(self, what: str, kind: Kind) -> None:
        if what not in {"get", "list"}:
            self.writes.append(f"{what} {kind.name}")
            if self.entry_or_none:
                self.weights.append(self.weight)

    def _on_due(self) -> None:
        self.due += 1

    def begin(self) -> None:
        """Another process: it knows what is stored."""
        self.pins = Pins(("shadow",), self._on_due)
        self.shadower = Shadower(self.unseen, self.pins, clock=lambda: self.now_s)
        self.shifter = Shifter(
            self.router, self._capacity, self._on_due,
            clock=lambda: self.now_s, monotonic=lambda: self.now_s,
        )  # fmt: skip
        self.replayer = Replayer(
            self.ask, self.run_replay, self._on_due,
            clock=lambda: self.now_s, monotonic=lambda: self.now_s,
        )  # fmt: skip
        self.prober = Prober()
        self.roller = Roller(
            self.router, self._on_due, self.shifter.scene, most_each=self.most_each,
            shadower=self.shadower, replayer=self.replayer, prober=self.prober,
            clock=lambda: self.now_s, monotonic=lambda: self.now_s,
        )  # fmt: skip
        self.controller = PolicyController(
            self.api,
            SETTINGS,
            self.router,
            self.shifter,
            learner=idle_learner(),
            roller=self.roller,
            reevaluator=Reevaluator(clock=lambda: self.now_s),
            pins=self.pins,
        )

    async def ask(self, policy: str, window_s: float, requests: int) -> msgspec.Raw:
        """What the ledger says of recent requests."""
        self.asked = (policy, window_s, requests)
        if self.recent is None:
            raise Waiting("the ledger is away")
        return msgspec.Raw(msgspec.json.encode(Recent(self.recent)))

    async def run_replay(self, job: Job) -> Replayed:
        """In this process; remembers the job."""
        self.replays.append(job)
        return replay(job)

    async def replay(self) -> None:
        """The replay that is waited for is tried, and what comes of it is reconciled."""
        await self.replayer.replay("desk")
        await self.look()

    def _capacity(self, name: str) -> Capacity | None:
        return Capacity(self.ready[name], 8, 1, 8) if name in self.ready else None

    def golden(self, name: str, right: int, *, of: int = 100, content: str = "c1") -> None:
        """A run of its golden prompts is over: so many of its answers are right."""
        now_ms = int(self.now_s * 1000)
        answers = {f"p{n}": Answer("Coding", float(n < right)) for n in range(of)}
        self.prober.hear(
            SuiteRun(
                backend=name, uid=f"uid-{name}", suite="golden", content=content, run=1,
                began_ms=now_ms, ended_ms=now_ms, ended="Complete", evaluations=(),
                model=f"model-{name}", answers=answers,
            )
        )  # fmt: skip

    async def edit(
        self, to: str, *, rollout: Mapping[str, Any] | None = ROLLOUT, **more: Any
    ) -> None:
        """All goes to this backend, by the spec."""
        stored = self.api.stored.get(("RoutingPolicy", "desk"), {})
        generation = stored.get("metadata", {}).get("generation", 0) + 1
        item = policy(default=route(to), generation=generation, rollout=rollout, **more)
        item["metadata"]["annotations"] = stored.get("metadata", {}).get("annotations", {})
        self.api.put({**item, "status": stored["status"]} if "status" in stored else item)
        await self.reconcile()

    async def say(self, **orders: str | None) -> None:
        """`rollout-<name>` annotations; None takes one away."""
        item = self.api.stored["RoutingPolicy", "desk"]
        said = dict(item["metadata"].get("annotations", {}))
        for name, value in orders.items():
            said.pop(f"pointsman.dev/rollout-{name}", None)
            if value is not None:
                said[f"pointsman.dev/rollout-{name}"] = value
        self.api.put({**item, "metadata": {**item["metadata"], "annotations": said}})
        await self.reconcile()

    async def approve(self, revision: str, step: int) -> None:
        said = {"revision": revision, "step": step, "approver": "ada", "at": "2026-11-26T10:00:00Z"}
        await self.say(approve=json.dumps(said))

    async def reconcile(self) -> None:
        """Routers answer in between."""
        await reconcile_twice(self.controller, self.api)

    async def look(self, seconds: float = 2) -> None:
        """Time passes, looked at each 2 s; what is asked for is reconciled."""
        for _ in range(int(seconds // 2)):
            self.now_s += 2
            await self.shadower.look()
            if self.follows:
                wanted = {n: max(self.roller.floor(n), self.shifter.floor(n)) for n in self.ready}
                self.ready = {n: max(1, wanted[n]) for n in wanted}
            self.roller.tick()
            self.shifter.tick()
            if self.due:
                self.due = 0
                await self.reconcile()

    def serve(
        self, requests: int = 600, *, errors: int = 0, slow: int = 0, price: float = 1.0
    ) -> None:
        """So many more in each arm; of the candidate's so many end in an error, or are slow."""
        entry = self.entry
        assert entry.candidate, "there is no candidate to serve"
        before = self.router.counted.get("desk")
        pair = (entry.revision, entry.candidate.revision)
        if before is None or (before.stable, before.candidate) != pair:
            before = Arms(stable=pair[0], candidate=pair[1], since_ms=int(self.now_s * 1000))
        self.router.counted["desk"] = Arms(
            stable=before.stable,
            candidate=before.candidate,
            since_ms=before.since_ms,
            of_stable=_more(before.of_stable, requests, 0, 0, 1.0),
            of_candidate=_more(before.of_candidate, requests, errors, slow, price),
        )

    async def serve_and_look(self, requests: int = 600, **kinds: Any) -> None:
        """What is told first is where a step begins."""
        self.serve(0)
        await self.look()
        self.serve(requests, **kinds)
        await self.look(14)

    @property
    def entry_or_none(self) -> Any:
        stored = manifest(self.api)
        return stored.policies[0] if stored and stored.policies else None

    @property
    def entry(self) -> Any:
        stored = manifest(self.api)
        assert stored
        return stored.policies[0]

    def names(self) -> dict[str, tuple[str, ...]]:
        """Model names by policy, as routers are told."""
        stored = manifest(self.api)
        return {one.name: one.model_names for one in stored.policies} if stored else {}

    @property
    def weight(self) -> int:
        """Of the candidate; 0 without one."""
        found: int = self.entry.candidate.weight_percent if self.entry.candidate else 0
        return found

    @property
    def record(self) -> Record | None:
        data = self.api.stored["ConfigMap", MANIFEST]["binaryData"].get("rollouts", "")
        return load_rollouts(b64decode(data)).get("desk") if data else None

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.stored["RoutingPolicy", "desk"]["status"]
        return found

    def says(self, kind: str) -> tuple[str, str, str]:
        one = next(c for c in self.status["conditions"] if c["type"] == kind)
        return one["status"], one["reason"], one["message"]

    def events(self) -> list[str]:
        """Reasons of Events about the policy, in order."""
        return [i["reason"] for (k, _), i in self.api.stored.items() if k == "Event"]


def _more(counts: ArmCounts, requests: int, errors: int, slow: int, price: float) -> ArmCounts:
    durations = list(counts.durations or [0] * (len(DURATION_BOUNDS_S) + 1))
    durations[FAST] += requests - slow
    durations[SLOW] += slow
    return ArmCounts(
        requests=counts.requests + requests,
        errors=counts.errors + errors,
        durations=tuple(durations),
        priced=counts.priced + requests,
        cost=counts.cost + requests * price,
        cost_squares=counts.cost_squares + requests * price * price * 1.01,
    )
