"""The status of every policy, as routers say now; what says nothing new is not even put together.

Most reconciles of the table concern one policy of hundreds: the others' status follows from the
same verdict and the same words of the routers as the last time, and was stored then.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from pointsman.api import table
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.observe import TableView
from pointsman.operator.cluster.routers import RouterFleet
from pointsman.operator.controllers.backends import timestamp
from pointsman.operator.controllers.learning import Learner
from pointsman.operator.controllers.reevaluating import Reevaluator
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.shifting import Shifter
from pointsman.operator.controllers.status import write_status
from pointsman.operator.errors import ReconcileError
from pointsman.operator.plan.policy_status import RouterView, policy_status, premature
from pointsman.operator.plan.table import TablePlan

NEVER: Final = (2**63 - 1, 0)
"""Position of an entry that is not in the manifest: no router can have acknowledged it."""


@dataclass(frozen=True, slots=True)
class Since:
    """An entry of the manifest, and the (epoch, serial) since which it is there unchanged."""

    entry: table.PolicyEntry
    position: tuple[int, int]


def without_candidate(entry: table.PolicyEntry) -> table.PolicyEntry:
    """Whether a router runs the revision in force does not depend on its candidate."""
    return msgspec.structs.replace(entry, candidate=None) if entry.candidate else entry


def heard(routers: Sequence[RouterView], name: str, since: tuple[int, int]) -> tuple[object, ...]:
    """All that a policy's status says of the routers."""
    return tuple(
        (one.pod, one.silent, one.pending, one.acks.get(name), one.position >= since)
        for one in routers
    )


class Reporter:
    """Writes status, and only there where it would be another one."""

    def __init__(
        self,
        api: Api,
        fleet: RouterFleet,
        shifter: Shifter,
        roller: Roller,
        *,
        learner: Learner,
        reevaluator: Reevaluator,
        slots: asyncio.Semaphore,
    ) -> None:
        self._api = api
        self._fleet = fleet
        self._shifter = shifter
        self._roller = roller
        self._learner = learner
        self._reevaluator = reevaluator
        self._slots = slots
        self._settled: dict[str, tuple[object, ...]] = {}
        """What followed by policy, when there was nothing to write."""

    async def report(
        self,
        view: TableView,
        plan: TablePlan,
        positions: Mapping[str, Since],
        unstored: Mapping[str, ReconcileError],
    ) -> dict[str, ReconcileError]:
        """Failures by policy; `unstored` ones keep what was in force."""
        routers = self._fleet.views()
        items = {policy.name: item for item, policy in view.policies}
        self._settled = {name: one for name, one in self._settled.items() if name in items}
        news: dict[str, dict[str, Any]] = {}
        for name, item in items.items():
            known = positions.get(name)
            status = self._news(name, item, plan, routers=routers, known=known, unstored=unstored)
            if status is not None:
                news[name] = status
        failures: dict[str, ReconcileError] = {}

        async def write(name: str) -> None:
            try:
                async with self._slots:
                    await write_status(self._api, kinds.ROUTING_POLICY, items[name], news[name])
            except ReconcileError as error:
                failures[name] = error

        async with asyncio.TaskGroup() as group:
            for name in news:
                group.create_task(write(name))
        return failures

    def _news(
        self,
        name: str,
        item: Object,
        plan: TablePlan,
        *,
        routers: Sequence[RouterView],
        known: Since | None,
        unstored: Mapping[str, ReconcileError],
    ) -> dict[str, Any] | None:
        """The status to be written; None if the stored one says it, or if it is too soon."""
        verdict = plan.verdicts[name]
        entry = without_candidate(verdict.entry) if verdict.entry else None
        since = known.position if known and known.entry == entry else NEVER
        stored = item.get("status") or {}
        hindrance, moving = str(unstored.get(name, "")), self._shifter.moving(name)
        rolling, drift = self._roller.rolling(name), self._reevaluator.told(name)
        budgets, learning = self._fleet.budgets(name), self._learner.learning(name)
        words = heard(routers, name, since)
        follows = (
            verdict, since, stored, hindrance, moving, rolling, drift, budgets, learning, words,
        )  # fmt: skip
        if self._settled.get(name) == follows:
            return None
        if hindrance:
            verdict = replace(verdict, entry=known.entry if known else None)
        elif premature(
            verdict, routers, stored=stored, since=since, moving=moving, rolling=rolling,
            drift=drift,
        ):  # fmt: skip
            return None  # the fleet calls again when the router has answered, or has not
        status = policy_status(
            verdict,
            routers,
            stored=stored,
            now=timestamp(),
            since=since,
            hindrance=hindrance,
            moving=moving,
            rolling=rolling,
            budgets=budgets,
            learning=learning,
            drift=drift,
        )
        if status != stored:
            return status
        self._settled[name] = follows
        return None
