"""Re-evaluation of local mode: the operator's Reevaluator; what it learned lives in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pointsman.api.conditions import stamp
from pointsman.local.desired import NAMESPACE, Files
from pointsman.operator.cluster.observe import TableView
from pointsman.operator.controllers.reevaluating import Reevaluator
from pointsman.operator.plan.objects import Json, ObservedPolicy
from pointsman.operator.plan.reevaluating.record import Memory
from pointsman.operator.plan.table import TablePlan


class LocalRelearning:
    """`items`: backends with their statuses as they are now."""

    def __init__(self, items: Callable[[], Sequence[Json]]) -> None:
        self._items = items
        self._reevaluator = Reevaluator()
        self._memories: Mapping[str, Memory] = {}
        self._statuses: dict[str, dict[str, Any]] = {}
        self._view: TableView | None = None

    def relearn(self, files: Files, view: TableView) -> Sequence[ObservedPolicy]:
        """The files' policies, with what was learned in the place of specs."""
        self._view = seen = replace(
            view,
            backends=[dict(one) for one in self._items()],
            policies=[
                ({"status": self._statuses.get(one.name, {})}, one) for one in files.policies
            ],
            stored=replace(view.stored, learned=self._memories),
        )
        found = self._reevaluator.steer(seen, files.backends, namespace=NAMESPACE)
        return [policy for _, policy in found.policies]

    def quarantine(self, plan: TablePlan) -> TablePlan:
        """The table without whom its policies have in quarantine."""
        return self._reevaluator.quarantine(plan)

    def published(self) -> list[tuple[str, str]]:
        """The table is in force; what is to be told, by policy."""
        if self._view is None:
            return []
        memories = self._reevaluator.memories({}, self._memories)
        news = self._reevaluator.published(self._view, memories)
        self._memories = memories
        self._statuses = {
            policy.name: self._status(policy.name) for _, policy in self._view.policies
        }
        return [(name, f"{one.reason}: {one.note}") for name, told in news.items() for one in told]

    def _status(self, name: str) -> dict[str, Any]:
        condition = self._reevaluator.told(name).condition
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"conditions": stamp([condition], (), generation=1, now=now)} if condition else {}
