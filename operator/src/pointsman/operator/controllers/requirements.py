"""Which backends' approval is asked for, as the policies were read last."""

from collections.abc import Callable, Mapping

from pointsman.api.v1alpha1 import RoutingPolicy
from pointsman.operator.plan.blobs import requiring
from pointsman.operator.plan.table import TablePlan


class Requirements:
    """`on_backend` is told whose status has more to say now, or less."""

    def __init__(self, on_backend: Callable[[str], None] = lambda _: None) -> None:
        self._on_backend = on_backend
        self._policies: Mapping[str, tuple[str, ...]] = {}

    def of(self, backend: str) -> tuple[str, ...]:
        """Policies that name this backend and require its approval."""
        return self._policies.get(backend, ())

    def note(self, plan: TablePlan) -> None:
        """These are the policies now."""
        parsed = {name: verdict.policy.parsed for name, verdict in plan.verdicts.items()}
        specs = {name: one.spec for name, one in parsed.items() if isinstance(one, RoutingPolicy)}
        before, self._policies = self._policies, requiring(specs)
        for name in before.keys() | self._policies.keys():
            if before.get(name) != self._policies.get(name):
                self._on_backend(name)
