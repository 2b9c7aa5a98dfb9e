"""A backend that is watched for drift, over an API server in memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pointsman.api import names
from pointsman.api.table import Order
from pointsman.api.v1alpha1.status import ModelBackendStatus
from pointsman.api.validation import parse
from pointsman.operator.cluster.engines import EngineMetrics
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.cluster.orders import Orders
from pointsman.operator.controllers.backends import BackendController
from pointsman.operator.controllers.drifting import Ask, Drifter
from pointsman.operator.controllers.scaling import Scaler
from pointsman.operator.plan.evaluating.suite_run import SuiteRun
from pointsman.operator.plan.scaling import RouterReport
from pointsman.operator.settings import Settings
from tests.operator.drifting.runs import BEGIN_MS
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE, backend
from tests.support.conditions import assert_well_formed, unexplained

SETTINGS = Settings(namespace=NAMESPACE, router_selector="app=router")
URL = {"url": "https://models.example.com/v1"}
SUITE: Mapping[str, Any] = {"evaluation": {"suiteRef": {"name": "golden"}}}
CONFIG_MAP = "a-drift"


class World:
    """`due`: backends of which a reconcile was asked for; each is one at `settle`."""

    def __init__(self, *, ask: Ask | None = None, suite: bool = True, **drift: Any) -> None:
        self.api = FakeApi(self._count)
        self.fault: Callable[[str, Kind], None] = lambda _what, _kind: None
        self.writes: list[str] = []
        self.due: list[str] = []
        self.now_s = BEGIN_MS / 1000
        self._ask = ask
        self._evaluation = SUITE if suite else {}
        self.apply(drift)
        self.begin()

    def apply(
        self, drift: Mapping[str, Any] | None, *, uid: str = "uid-a", **annotations: str
    ) -> None:
        """As `kubectl apply` does; status stays."""
        spec = {"external": URL, **self._evaluation}
        spec |= {} if drift is None else {"drift": dict(drift)}
        item = backend("a", **spec)
        item["metadata"]["uid"] = uid
        item["metadata"]["annotations"] = {
            f"{names.GROUP}/{key.replace('_', '-')}": value for key, value in annotations.items()
        }
        before = self.api.stored.get(("ModelBackend", "a"))
        if before and "status" in before and before["metadata"]["uid"] == uid:
            item["status"] = before["status"]
        self.api.put(item)

    def begin(self) -> None:
        """Another process: it knows what is stored."""
        self.drifter = Drifter(self.api, self.due.append, ask=self._ask, clock=lambda: self.now_s)
        orders = Orders(lambda _: False, self._put, self.due.append)
        scaler = Scaler(self, EngineMetrics(lambda _: 0), orders, self.due.append)
        self.controller = BackendController(
            self.api,
            SETTINGS,
            lambda *_: None,
            lambda _: "",
            scaler,
            orders=orders,
            drifter=self.drifter,
        )

    async def _put(self, backend: str, order: Order) -> None:
        """To no router."""

    def loads(self, _backend: str) -> list[RouterReport | None]:
        return []

    def mute(self) -> list[str]:
        return []

    def _count(self, what: str, kind: Kind) -> None:
        self.fault(what, kind)
        if what not in {"get", "list"}:
            self.writes.append(f"{what} {kind.name}")

    async def take(self, runs: Sequence[SuiteRun], *, restarts: bool = False) -> None:
        for run in runs:
            if restarts:
                self.begin()
            await self.drifter.take(run)
            await self.settle()

    async def tick(self, seconds: float) -> None:
        self.now_s += seconds
        await self.drifter.tick()
        await self.settle()

    async def settle(self) -> None:
        """What was asked for is reconciled."""
        while self.due:
            self.due.clear()
            await self.reconcile()

    async def reconcile(self) -> None:
        """Each status is looked at."""
        await self.controller.reconcile("a")
        if ("ModelBackend", "a") in self.api.stored:
            item = self.api.stored["ModelBackend", "a"]
            status = item["status"]
            assert_well_formed(status, generation=item["metadata"]["generation"])
            assert unexplained("ModelBackend", status) == []
            parse(ModelBackendStatus, status)

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.stored["ModelBackend", "a"]["status"]
        return found

    @property
    def condition(self) -> dict[str, Any]:
        """Drifted, or nothing."""
        found = [c for c in self.status["conditions"] if c["type"] == "Drifted"]
        return found[0] if found else {}

    @property
    def so(self) -> tuple[str, str]:
        return (self.condition["status"], self.condition["reason"])

    @property
    def config_map(self) -> Any:
        return self.api.stored["ConfigMap", CONFIG_MAP]

    def events(self) -> list[tuple[str, str, str]]:
        """(type, reason, note), as they came."""
        stored = self.api.stored.items()
        return [(e["type"], e["reason"], e["note"]) for (kind, _), e in stored if kind == "Event"]
