"""Rollouts of local mode: the operator's rules and counts, with one router that is this process.

Revisions and rollouts live as long as the session does. An order is an annotation of the file's
policy, as in a cluster.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from pointsman.api.counted import Arms
from pointsman.api.table import Manifest, digest
from pointsman.evaluation.suite.content import Suite
from pointsman.local.desired import NAMESPACE, Desired, Files
from pointsman.local.ledger import LocalLedger
from pointsman.local.relearning import LocalRelearning
from pointsman.local.unseen import Unseen
from pointsman.operator.cluster.observe import TableView
from pointsman.operator.cluster.replaying import read_recent, replay
from pointsman.operator.cluster.tables import StoredTable
from pointsman.operator.controllers.probing import Prober
from pointsman.operator.controllers.replaying import Ask, Replayer
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.shadowing import Shadower
from pointsman.operator.plan.blobs import compile_pins
from pointsman.operator.plan.evaluating.judges import asked_of
from pointsman.operator.plan.objects import Json, ObservedPolicy
from pointsman.operator.plan.policy_status import RouterView
from pointsman.operator.plan.predicting import Learned
from pointsman.operator.plan.revisions import KEEP, Revision, last_accepted, next_number, to_collect
from pointsman.operator.plan.rollout.record import Record
from pointsman.operator.plan.shifting import Scene
from pointsman.operator.plan.table import TablePlan, next_manifest
from pointsman.router.control.source import TableFeed
from pointsman.router.serve.app import DataPlane

_ROUTER = "local"
_NOTHING_SCALED = Scene(scaled={}, gone=frozenset(), loads={})


class _OneRouter:
    """This process, as the operator sees a router."""

    def __init__(self, feed: TableFeed) -> None:
        self._feed = feed

    def arms(self, policy: str) -> Mapping[str, Arms]:
        found = self._feed.live.arms().get(policy)
        return {_ROUTER: found} if found else {}

    def views(self) -> list[RouterView]:
        acks = {ack.policy: ack for ack in self._feed.acks}
        return [RouterView(pod=_ROUTER, acks=acks, position=self._feed.position or (0, 0))]


def _asking(ledger: LocalLedger) -> Ask:
    """A ledger that is on its way up is asked again, as one that is away."""

    async def ask(policy: str, window_s: float, requests: int) -> msgspec.Raw:
        return await read_recent(ledger.target, policy, window_s, requests)

    return ask


class LocalRollouts:
    """What is in force of a plan. `on_due` has to plan again; `backends` have their statuses."""

    def __init__(
        self,
        feed: TableFeed,
        plane: DataPlane,
        on_due: Callable[[], None],
        ledger: LocalLedger | None = None,
        backends: Callable[[], Sequence[Json]] = tuple,
        *,
        prober: Prober | None = None,
    ) -> None:
        self._on_due = on_due
        self._relearning = LocalRelearning(backends)
        self._judges: tuple[str, ...] = ()
        self._shadower = Shadower(Unseen(plane), self)
        self._replayer = Replayer(_asking(ledger) if ledger else None, replay, on_due)
        self._roller = Roller(
            _OneRouter(feed),
            on_due,
            lambda: _NOTHING_SCALED,
            shadower=self._shadower,
            replayer=self._replayer,
            prober=prober,
        )
        self._revisions: dict[str, tuple[Revision, ...]] = {}
        self._records: Mapping[str, Record] = {}
        self._manifest: Manifest | None = None
        self.pins: Mapping[str, bytes] = {}
        """The blob of backends that are asked alone, by its hash."""

    async def run(self) -> None:
        """For ever, each 2 s."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._roller.run(), name="steps")
            group.create_task(self._replayer.run(), name="replays")
            group.create_task(self._shadower.run(), name="shadows")

    def ask(self, part: str, backends: Iterable[str]) -> None:  # noqa: ARG002 - as of Pins
        """These judge from now on."""
        judges = tuple(backends)
        if judges != self._judges:
            self._judges = judges
            asyncio.get_running_loop().call_soon(self._on_due)  # asked in the middle of a plan

    @property
    def accepted(self) -> Mapping[str, Revision]:
        """The revision of each policy that was accepted last."""
        found = {name: last_accepted(revisions) for name, revisions in self._revisions.items()}
        return {name: one for name, one in found.items() if one}

    @property
    def manifest(self) -> Manifest | None:
        """The last one that was decided."""
        return self._manifest

    def relearn(self, files: Files) -> Sequence[ObservedPolicy]:
        """The files' policies with what was learned in the place of their specs."""
        return self._relearning.relearn(files, self._view(()))

    def decide(
        self, desired: Desired, learned: Mapping[str, Learned]
    ) -> tuple[TablePlan, Manifest, Sequence[tuple[str, str]]]:
        """What may be in force now, and what is to be told of it, by policy."""
        self._accept(desired.table)
        before = self._records
        view = self._view(
            [
                ({"metadata": {"annotations": dict(desired.annotations.get(name, {}))}}, one.policy)
                for name, one in desired.table.verdicts.items()
            ]
        )
        rolled = self._roller.steer(
            desired.table, view, namespace=NAMESPACE, backends=desired.backends, learned=learned
        )
        rolled = replace(rolled, plan=self._relearning.quarantine(rolled.plan))
        self._records = self._roller.records(rolled, {}, before)
        judged = {
            name: suite.judge.model
            for name, suite in desired.suites.items()
            if isinstance(suite, Suite) and suite.judge
        }
        asked = asked_of(desired.backends, judged).union(self._judges)
        pins = compile_pins(NAMESPACE, desired.backends, asked)
        manifest = next_manifest(
            namespace=NAMESPACE,
            entries=rolled.plan.entries,
            epoch=1,
            previous=self._manifest,
            pins=digest(pins) if pins is not None else "",
        )
        self.pins = {digest(pins): pins} if pins is not None else {}
        self._manifest = manifest
        news = self._roller.published(rolled, manifest, {}, before)
        told = [(name, f"{one.reason}: {one.note}") for name, one in sorted(news.items())]
        self._forget(rolled.plan)
        return rolled.plan, manifest, [*self._relearning.published(), *told]

    def _view(self, policies: Sequence[tuple[Json, ObservedPolicy]]) -> TableView:
        return TableView(
            backends=(),
            policies=[(dict(item), policy) for item, policy in policies],
            revisions=self._revisions,
            revision_items={},
            stored=StoredTable(
                item=None, manifest=self._manifest, history=(), blobs={}, rollouts=self._records
            ),
            routers=(),
        )

    @property
    def revisions(self) -> Mapping[str, tuple[Revision, ...]]:
        """Those that are kept, by policy."""
        return self._revisions

    def statuses(self) -> Mapping[str, Mapping[str, Any]]:
        """`status.rollout` by policy, as it stands."""
        found = {name: self._roller.standing(name) for name in self._revisions}
        return {name: one.fields() for name, one in found.items() if one is not None}

    def told(self) -> Mapping[str, str]:
        """How each rollout stands, by policy, for people."""
        found = {}
        for name in self._revisions:
            rolling = self._roller.rolling(name)
            if rolling is not None:
                fields = rolling.fields()
                found[name] = f"{fields['phase']}: {fields.get('message') or 'it waits its turn'}"
        return found

    def _accept(self, plan: TablePlan) -> None:
        for gone in self._revisions.keys() - plan.verdicts.keys():
            del self._revisions[gone]  # a later policy of that name is another one
        for name, verdict in plan.verdicts.items():
            if not verdict.accepted.status:
                continue
            known = self._revisions.get(name, ())
            number = next_number(known, verdict.revision)
            if number is not None:
                others = tuple(one for one in known if one.name != verdict.revision)
                spec = verdict.policy.spec
                new = Revision(name=verdict.revision, policy=name, number=number, spec=spec)
                self._revisions[name] = (*others, new)

    def _forget(self, plan: TablePlan) -> None:
        """Revisions beyond those that an operator keeps."""
        for name, known in self._revisions.items():
            verdict = plan.verdicts[name]
            entry = verdict.entry
            keep = {verdict.revision, entry.revision if entry else None}
            if entry and entry.candidate:
                keep.add(entry.candidate.revision)
            old = set(to_collect(known, in_force=keep, limit=KEEP))
            self._revisions[name] = tuple(one for one in known if one.name not in old)
