"""The RoutingPolicy controller: all policies of the namespace at once, for they share one table.

Order of writes, each with its reason: revisions and blobs (nothing refers to them yet), then the
manifest (everything it names is there), then status (never ahead of the truth), then collection.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from pointsman.api import names, table
from pointsman.api.v1alpha1 import ModelBackend, RoutingPolicy
from pointsman.api.validation import Invalid
from pointsman.operator import metrics
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.mirror import Mirror
from pointsman.operator.cluster.observe import TableView, observe_table, previous_entries
from pointsman.operator.cluster.routers import RouterFleet
from pointsman.operator.cluster.tables import (
    blobs_of,
    blobs_of_manifest,
    collectable,
    intact,
    read_blob,
    short,
    write_blob,
    write_manifest,
)
from pointsman.operator.controllers.backends import timestamp
from pointsman.operator.controllers.learning import Learner
from pointsman.operator.controllers.pinning import Pins
from pointsman.operator.controllers.reevaluating import Reevaluator
from pointsman.operator.controllers.replay_notes import note_replays
from pointsman.operator.controllers.reporting import Reporter, Since, without_candidate
from pointsman.operator.controllers.requirements import Requirements
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.shifting import Shifter
from pointsman.operator.errors import Conflict, ReconcileError, one_of
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.events import event_of
from pointsman.operator.plan.kept import Kept
from pointsman.operator.plan.learning import wishes
from pointsman.operator.plan.objects import (
    ObservedPolicy,
    annotations_of,
    identity,
    name_of,
    observed_policy,
    parsed,
)
from pointsman.operator.plan.predicting import learned_of
from pointsman.operator.plan.revisions import (
    KEEP,
    Revision,
    last_accepted,
    next_number,
    render_revision,
    to_collect,
)
from pointsman.operator.plan.rollout.steering import Rolled
from pointsman.operator.plan.rollout.telling import News
from pointsman.operator.plan.shifting import Before, Steered
from pointsman.operator.plan.table import TablePlan, Verdict, compile_table, next_manifest
from pointsman.operator.settings import Settings

log = logging.getLogger("pointsman.policies")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the routers are told, for /debug/programmed."""

    generation: int
    revision: str
    blob: str


class PolicyController:
    """Reconciles `table`."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        fleet: RouterFleet,
        shifter: Shifter,
        *,
        learner: Learner,
        roller: Roller,
        requirements: Requirements | None = None,
        reevaluator: Reevaluator | None = None,
        pins: Pins | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        self._mirror = mirror
        self._pins = pins or Pins()
        self._api = api
        self._settings = settings
        self._fleet = fleet
        self._shifter = shifter
        self._roller = roller
        self._requirements = requirements or Requirements()
        self._learner = learner
        self._reevaluator = reevaluator or Reevaluator()
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._reporter = Reporter(
            api, fleet, shifter, roller,
            learner=learner, reevaluator=self._reevaluator, slots=self._slots,
        )  # fmt: skip
        self._observed = Kept[ObservedPolicy]()
        self._parsed = Kept[ModelBackend | Invalid]()
        self._revisions = Kept[tuple[Revision, ...]]()
        self._judged = Kept[Verdict]()
        self.backends: Backends | None = None
        """As read last."""
        self.wanted: Mapping[str, Wanted] = {}
        self._since: Mapping[str, Since] = {}
        self._pinned = ""
        self._written = (0, 0)
        """(epoch, serial) of the manifest that was stored last."""

    async def reconcile(self) -> None:
        """Observe once, plan once, apply once."""
        view = await observe_table(
            self._api, self._settings, self._observe, self._mirror, self._revisions
        )
        self._observed.only({policy.name for _, policy in view.policies})
        self._fleet.set_pods(view.routers)
        last = {name: last_accepted(found) for name, found in view.revisions.items()}
        accepted = {name: revision for name, revision in last.items() if revision}
        self.backends = backends = {
            name: self._parsed.of(name, item, identity, partial(parsed, ModelBackend))
            for item in view.backends
            for name in [name_of(item)]
        }
        self._parsed.only(backends)
        view = self._reevaluator.steer(view, backends, namespace=self._api.namespace)
        await self._follow(view, accepted, backends)
        rolled, steered = self._plan(view, accepted, backends)
        plan = steered.plan
        failures = await self._store(view, plan)
        await self._publish(view, rolled, steered, failures)
        failures |= await self._reporter.report(view, plan, self._since, failures)
        await self._collect(view, plan)
        if failures:
            raise ExceptionGroup("some policies failed", list(failures.values()))

    def _observe(self, item: Object) -> ObservedPolicy:
        return self._observed.of(name_of(item), item, identity, observed_policy)

    async def _follow(
        self, view: TableView, accepted: Mapping[str, Revision], backends: Backends
    ) -> None:
        """Which predictors learn; what they had learned before this process is in their blobs."""
        wanted = wishes((policy for _, policy in view.policies), accepted, backends)
        entries, recalled = previous_entries(view), {}
        for name in wanted:
            if self._learner.learning(name) is None and (entry := entries.get(name)):
                blob = await read_blob(self._api, self._settings.release, entry.blob)
                recalled[name] = learned_of(blob) if blob else None
        self._learner.follow(wanted, recalled)

    def _plan(
        self, view: TableView, accepted: Mapping[str, Revision], backends: Backends
    ) -> tuple[Rolled, Steered]:
        before = Before(previous_entries(view), view.stored.shifts, view.revisions)
        plan = compile_table(
            namespace=self._api.namespace,
            backends=backends,
            policies=[policy for _, policy in view.policies],
            accepted=accepted,
            previous=before.entries,
            learned=self._learner.learned,
            now_s=datetime.now(UTC).timestamp(),
            kept=self._judged,
        )
        self._requirements.note(plan)
        count = sum(bool(v.accepted.status) for v in plan.verdicts.values())
        metrics.POLICIES.labels("True").set(count)
        metrics.POLICIES.labels("False").set(len(plan.verdicts) - count)
        namespace, learned = self._api.namespace, self._learner.learned
        self._shifter.see(before, view.backends, backends)
        rolled = self._roller.steer(
            plan, view, namespace=namespace, backends=backends, learned=learned
        )
        steered = self._shifter.steer(rolled.plan, before, namespace=namespace, backends=backends)
        return rolled, replace(steered, plan=self._reevaluator.quarantine(steered.plan))

    async def _store(self, view: TableView, plan: TablePlan) -> dict[str, ReconcileError]:
        """Revisions and blobs of all policies; failures by policy hold up no other policy."""
        failures: dict[str, ReconcileError] = {}

        async def store(verdict: Verdict) -> None:
            try:
                async with self._slots, asyncio.TaskGroup() as group:
                    if verdict.accepted.status:
                        group.create_task(self._store_revision(view, verdict))
                    for digest, blob in verdict.blobs():
                        if short(digest) not in view.stored.blobs:
                            group.create_task(
                                write_blob(self._api, self._settings.release, digest, blob)
                            )
            except* ReconcileError as group_of_errors:
                failures[verdict.policy.name] = one_of(group_of_errors)

        async with asyncio.TaskGroup() as group:
            for verdict in plan.verdicts.values():
                if self._lacks(view, verdict):
                    group.create_task(store(verdict))
        return failures

    @staticmethod
    def _lacks(view: TableView, verdict: Verdict) -> bool:
        """Whether its revision or a blob is not stored, or not as the last accepted one."""
        numbered = next_number(view.revisions[verdict.policy.name], verdict.revision) is None
        stored = all(short(digest) in view.stored.blobs for digest, _ in verdict.blobs())
        return not stored or (verdict.accepted.status is True and not numbered)

    async def _store_revision(self, view: TableView, verdict: Verdict) -> None:
        policy = verdict.policy
        number = next_number(view.revisions[policy.name], verdict.revision)
        if number is None:
            return
        body = render_revision(
            namespace=self._api.namespace,
            policy=policy.name,
            uid=policy.uid,
            name=verdict.revision,
            number=number,
            spec=policy.spec,
            annotations=self._reevaluator.annotations(view, verdict),
        )
        stored = view.revision_items.get(verdict.revision)
        if stored is None:
            await self._api.create(kinds.CONTROLLER_REVISION, body)
        else:
            # An older spec is back: its data stays, its number rises. One that a deleted policy of
            # this name left behind changes its owner before the garbage collector comes for it.
            owners = body["metadata"]["ownerReferences"]
            said = {**annotations_of(stored), **annotations_of(body)}
            kept = {**stored["metadata"], "ownerReferences": owners, "annotations": said}
            raised = {**stored, "metadata": kept, "revision": number}
            await self._api.replace(kinds.CONTROLLER_REVISION, raised)
        log.info(
            "revision accepted",
            extra={"policy": policy.name, "revision": verdict.revision, "number": number},
        )

    async def _publish(
        self, view: TableView, rolled: Rolled, steered: Steered,
        failures: Mapping[str, ReconcileError],
    ) -> None:  # fmt: skip
        """Write the manifest if it changes; a policy whose parts are missing keeps its entry."""
        before, plan = previous_entries(view), steered.plan
        entries = [before.get(e.name) if e.name in failures else e for e in plan.entries]
        shifts = {name: one for name, one in steered.shifts.items() if name not in failures}
        shifts |= {name: one for name, one in view.stored.shifts.items() if name in failures}
        manifest = next_manifest(
            namespace=self._api.namespace,
            entries=_without_doubles([entry for entry in entries if entry]),
            epoch=self._fleet.epoch,
            previous=view.stored.manifest,
            newest=max([self._written, *(one.position for one in self._fleet.views())]),
            pins=await self._pins.stored(
                self._api, self._settings.release, view.stored, self.backends or {}
            ),
        )
        stored = view.stored
        rollouts = self._roller.records(rolled, failures, stored.rollouts)
        learned = self._reevaluator.memories(failures, stored.learned)
        known = (stored.manifest, stored.shifts, stored.rollouts, stored.learned)
        same = (manifest, shifts, rollouts, learned) == known
        if not same or not intact(stored, self._settings.release):
            await write_manifest(
                self._api, self._settings.release, stored, manifest, shifts, rollouts=rollouts,
                learned=learned,
            )  # fmt: skip
            log.info("table written", extra={"epoch": manifest.epoch, "serial": manifest.serial})
        self._shifter.published(steered, shifts)
        news = self._roller.published(rolled, manifest, failures, stored.rollouts)
        await self._tell(view, news, self._reevaluator.published(view, learned))
        await note_replays(self._api, view.revision_items, rollouts.values())
        metrics.SERIAL.set(manifest.serial)
        self._pinned = manifest.pins
        self._written = position = (manifest.epoch, manifest.serial)
        self._since = {
            e.name: known if known and known.entry == e else Since(e, position)
            for e in map(without_candidate, manifest.policies)
            for known in [self._since.get(e.name)]
        }
        generations = {policy.name: policy.generation for _, policy in view.policies}
        self.wanted = {
            e.name: Wanted(generations.get(e.name, 0), e.revision, e.blob)
            for e in manifest.policies
        }

    async def _tell(
        self, view: TableView, news: Mapping[str, News], drift: Mapping[str, Sequence[News]]
    ) -> None:
        """As Events; one that cannot be written stays untold, and a log line."""
        for item, policy in view.policies:
            rolled = [news[policy.name]] if policy.name in news else []
            told = [(one, "Reevaluate") for one in drift.get(policy.name, ())]
            for one, action in (*told, *((one, "Rollout") for one in rolled)):
                log.info(action.lower(), extra={"policy": policy.name, "event": one.reason})
                event = event_of(
                    item,
                    kind="Warning" if one.warning else "Normal",
                    reason=one.reason,
                    note=one.note,
                    instance=self._settings.identity,
                    now=timestamp(),
                    about_kind=names.ROUTING_POLICY,
                    action=action,
                    of_version=True,  # a life before this one may have told it and died
                )
                try:
                    await self._api.create(kinds.EVENT, event)
                except Conflict:
                    continue
                except ReconcileError as error:
                    log.warning("event not written", extra={"reason": error.reason})

    async def _collect(self, view: TableView, plan: TablePlan) -> None:
        """Revisions beyond the history, and blobs that nobody can need."""
        for name, verdict in plan.verdicts.items():
            in_force, spec = verdict.entry, verdict.policy.parsed
            keep = {verdict.active_revision, verdict.revision}
            if in_force and in_force.candidate:
                keep.add(in_force.candidate.revision)
            rollout = spec.spec.rollout if isinstance(spec, RoutingPolicy) else None
            limit = rollout.revision_history_limit if rollout else KEEP
            for old in to_collect(view.revisions[name], in_force=keep, limit=limit):
                await self._api.delete(kinds.CONTROLLER_REVISION, view.revision_items[old])
        stored = view.stored.manifest
        needed = blobs_of(plan.entries) | (blobs_of_manifest(stored) if stored else set())
        for item in collectable(
            view.stored,
            needed=needed | self._fleet.blobs_in_use() | {self._pinned},
            now=datetime.now(UTC),
            min_age_s=self._settings.blob_age_s,
        ):
            await self._api.delete(kinds.CONFIG_MAP, item)

    def programmed(self) -> dict[str, object]:
        """What /debug/programmed shows."""
        return {
            name: {
                "generation": wanted.generation,
                "revision": wanted.revision,
                "blob": wanted.blob,
                "routers": self._fleet.ack_times(name, wanted.blob),
            }
            for name, wanted in self.wanted.items()
        }


def _without_doubles(entries: list[table.PolicyEntry]) -> list[table.PolicyEntry]:
    """A policy that keeps its old entry may hold a name that another one has just been given."""
    taken: set[str] = set()
    result = []
    for entry in entries:
        names = tuple(name for name in entry.model_names if name not in taken)
        taken.update(names)
        if names == entry.model_names:
            result.append(entry)
    return result
