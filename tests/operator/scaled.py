"""A backend that the operator scales, with the API server in memory and a clock of its own."""

from collections.abc import Callable
from typing import Any

from pointsman.api.table import Order
from pointsman.operator.cluster.engines import EngineMetrics
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.cluster.orders import Orders
from pointsman.operator.controllers.backends import BackendController
from pointsman.operator.controllers.scaling import DECIDE_S, Scaler
from pointsman.operator.metrics import REGISTRY
from pointsman.operator.plan.scaling import RouterReport
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE, backend
from tests.support.conditions import assert_well_formed, unexplained

SETTINGS = Settings(namespace=NAMESPACE, image="sim")
SCALING = {"maxReplicas": 4, "targetRequests": 8}


class World:
    """An API server with one backend `a`, routers with some load, and the time."""

    def __init__(self, **scaling: Any) -> None:
        self.api = FakeApi(self._count)
        self.now_s = 1_800_000_000.0
        self.load: int | None = 0
        self.finished = 0
        self.writes: list[str] = []
        self.due: list[str] = []
        self.holding = True
        """Whether every router says that it holds, once it is asked."""
        self.put(scaling={**SCALING, **scaling}, activation={})
        self.begin()

    def put(self, *, generation: int = 1, **spec: Any) -> None:
        status = self.api.stored.get(("ModelBackend", "a"), {}).get("status")
        kept = {"status": status} if status else {}
        self.api.put({**backend("a", generation=generation, **spec), **kept})

    def begin(
        self, *, on_due: Callable[[str], None] | None = None, every_s: float = DECIDE_S
    ) -> None:
        """Another process: it knows what is stored."""
        engines = EngineMetrics(lambda _: 0)  # nobody runs it: no pod has an address
        self.orders = Orders(lambda _: self.holding, self._put, self.due.append)
        self.scaler = Scaler(
            self,
            engines,
            self.orders,
            on_due or self.due.append,
            every_s=every_s,
            clock=lambda: self.now_s,
            monotonic=lambda: self.now_s,
        )
        self.controller = BackendController(
            self.api, SETTINGS, lambda *_: None, lambda _: "", self.scaler, orders=self.orders
        )

    async def _put(self, backend: str, order: Order) -> None:
        """To no router."""

    def _count(self, what: str, kind: Kind) -> None:
        if what not in {"get", "list"}:
            self.writes.append(f"{what} {kind.name}")

    def loads(self, _backend: str) -> list[RouterReport | None]:
        if self.load is None:
            return [None]
        return [RouterReport("r1", 0, self.load, self.finished)]

    def mute(self) -> list[str]:
        return ["r1"] if self.load is None else []

    async def pass_time(self, seconds: float, load: int | None = -1) -> None:
        """Decide each 2 s, reconcile what is asked for; requests take 5 s."""
        self.load = self.load if load == -1 else load
        for _ in range(int(seconds // 2)):
            self.now_s += 2
            self.finished += 2 * (self.load or 0) // 5
            await self.scaler.tick(["a"])
            if self.due:
                self.due.clear()
                await self.reconcile()

    async def reconcile(self) -> None:
        await self.controller.reconcile("a")
        status = self.status
        assert_well_formed(status, generation=self.item["metadata"]["generation"])
        assert unexplained("ModelBackend", status) == []

    @property
    def item(self) -> Any:
        return self.api.stored["ModelBackend", "a"]

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.item.get("status") or {}
        return found

    @property
    def deployment(self) -> Any:
        return self.api.stored["Deployment", "a-model"]

    @property
    def replicas(self) -> int:
        found: int = self.deployment["spec"]["replicas"]
        return found

    def ready(self) -> str:
        return next(str(c["status"]) for c in self.status["conditions"] if c["type"] == "Ready")

    def active(self) -> tuple[str, str]:
        found = [c for c in self.status["conditions"] if c["type"] == "ScalingActive"]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def events(self) -> list[tuple[str, str]]:
        stored = self.api.stored.items()
        return [(one["reason"], one["note"]) for (kind, _), one in stored if kind == "Event"]


def metric(name: str) -> float | None:
    """The operator's gauge of backend `a`; None if there is none."""
    return REGISTRY.get_sample_value(f"pointsman_operator_{name}", {"backend": "a"})
