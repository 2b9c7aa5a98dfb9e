"""Rollouts that go on: what routers count, and when the next step is due.

It writes nothing. What is in force stands in the manifest's object; kept here is only what can be
counted again. A step that has become due asks for a reconcile of the table, which decides it again
from fresh reads, and writes it once.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import msgspec

from pointsman.api import table
from pointsman.api.counted import DURATION_BOUNDS_S, Arms
from pointsman.operator import metrics
from pointsman.operator.cluster.observe import TableView, previous_entries
from pointsman.operator.cluster.replaying import replay
from pointsman.operator.controllers.probing import Prober
from pointsman.operator.controllers.replaying import Replayer, Wanted
from pointsman.operator.controllers.replaying import key_of as replay_key
from pointsman.operator.controllers.shadowing import Shadower
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.objects import annotations_of
from pointsman.operator.plan.policy_status import RouterView
from pointsman.operator.plan.predicting import Learned
from pointsman.operator.plan.rollout.counting import Tally, key_of
from pointsman.operator.plan.rollout.deciding import (
    advance,
    is_overdue,
    is_replayed_first,
)
from pointsman.operator.plan.rollout.guarding import Stretch
from pointsman.operator.plan.rollout.ordering import hear
from pointsman.operator.plan.rollout.prescaling import Needs, needs
from pointsman.operator.plan.rollout.record import Record, essence
from pointsman.operator.plan.rollout.state import WANTS_REPLICAS, Phase, Rollout, Scene
from pointsman.operator.plan.rollout.steering import Aim, Going, Known, Rolled, aim_of, roll
from pointsman.operator.plan.rollout.telling import News, Rolling, news_of
from pointsman.operator.plan.shifting import Scene as Loads
from pointsman.operator.plan.table import TablePlan

EVERY_S: Final = 2.0
"""As routers tell what their arms did."""
TOLD_S: Final = 15.0
"""Counts in a status are so old at most; each is a write."""


class Routers(Protocol):
    """What is asked of the router fleet."""

    def arms(self, policy: str, /) -> Mapping[str, Arms]:
        """What each router has counted of a policy's rollout."""

    def views(self) -> list[RouterView]:
        """What each router said last."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the last reconcile wrote."""

    going: Mapping[str, Going] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    entries: Mapping[str, table.PolicyEntry] = field(default_factory=dict)
    annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Roller:
    """
    `on_due` asks for a reconcile of the table; `loads` has what backends do, and their replicas.

    `most_each`: rollouts at once that send more to one backend.
    """

    def __init__(
        self,
        routers: Routers,
        on_due: Callable[[], None],
        loads: Callable[[], Loads],
        *,
        most_each: int = 1,
        shadower: Shadower | None = None,
        replayer: Replayer | None = None,
        prober: Prober | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routers = routers
        self._shadower = shadower
        self._backends: Backends = {}
        self._on_due = on_due
        self._loads = loads
        self._scene = loads()
        """Of the look that goes on: once for all rollouts."""
        self._most_each = most_each
        self._replayer = replayer or Replayer(None, replay, on_due, clock=clock)
        self._prober = prober or Prober()
        self._clock = clock
        self._monotonic = monotonic
        self._stored = _Stored()
        self._planned: Mapping[str, Going] = {}
        """What is followed outside: it goes on while a policy fails."""
        self._now: dict[str, Rollout] = {}
        """The rollouts of the records, with what is remembered of the step that goes on."""
        self._tallies: dict[str, Tally] = {}
        self._needs: dict[str, Needs] = {}
        """Replicas that the candidates' backends need."""
        self._told: dict[str, tuple[float, Rolling]] = {}
        """What status says, and since when."""
        self._annotations: Mapping[str, Mapping[str, str]] = {}

    def steer(
        self,
        plan: TablePlan,
        view: TableView,
        *,
        namespace: str,
        backends: Backends,
        learned: Mapping[str, Learned],
    ) -> Rolled:
        """The table that may be in force now."""
        self._scene = self._loads()
        self._annotations = {policy.name: annotations_of(item) for item, policy in view.policies}
        self._backends = backends
        self._prober.know(backends)
        known = Known(
            namespace=namespace,
            backends=backends,
            entries=previous_entries(view),
            records={name: self._remembered(name, one) for name, one in self._read(view).items()},
            revisions=view.revisions,
            annotations=self._annotations,
            learned=learned,
            most_each=self._most_each,
        )
        return roll(plan, known, self._look, now_s=self._clock())

    def published(self, rolled: Rolled, manifest: table.Manifest, failed: Mapping[str, object],
                  before: Mapping[str, Record]) -> dict[str, News]:  # fmt: skip
        """This is stored now, but for policies that failed; what is to be told of it, by policy."""
        records = self.records(rolled, failed, before)
        going = {name: one for name, one in rolled.going.items() if name not in failed}
        kept = {name: Going(record=one) for name, one in records.items() if name not in going}
        entries = {entry.name: entry for entry in manifest.policies}
        self._stored = _Stored({**kept, **going}, records, entries, self._annotations)
        self._now = {
            name: one.record.rollout for name, one in self._stored.going.items() if one.record
        }
        self._tallies = {name: one for name, one in self._tallies.items() if name in self._now}
        self._needs = {name: one for name, one in self._needs.items() if name in self._now}
        for name, rollout in self._now.items():
            if not rollout.ended:
                self._counted(name, rollout)  # a step begins where the routers are now
        self._planned = {
            name: self._as_planned(name, one) for name, one in self._stored.going.items()
        }
        self._follow_shadows()
        self._follow_probes()
        self._replayer.follow(dict(self._to_replay()))
        for phase in Phase:
            count = sum(one.rollout.phase is phase for one in records.values())
            metrics.ROLLOUTS.labels(str(phase)).set(count)
        news = self._news(before, self._now)
        if any(name not in self._now or self._now[name].ended for name in news):
            self._on_due()  # others may wait for its place, or for a model name
        return news

    def _follow_shadows(self) -> None:
        if self._shadower is None:
            return
        wanted = {
            name: (one.record.rollout, one.plan.shadow)
            for name, one in self._planned.items()
            if one.record and one.plan and one.plan.shadow and one.record.rollout.in_shadow
            if not one.record.rollout.ended
        }
        self._shadower.follow(wanted, self._backends)

    def _follow_probes(self) -> None:
        """Also those that go on: what is measured before a step lacks traffic counts for it."""
        going = [
            (rollout, one.question)
            for name, one in self._planned.items()
            if (rollout := self._now.get(name)) and not rollout.ended
        ]
        self._prober.follow(going)

    def _as_planned(self, name: str, one: Going) -> Going:
        """With the plan of before where this rollout lost it for a moment: by a failed write."""
        last = self._planned.get(name)
        if one.plan or not one.record or one.record.rollout.ended or not last or not last.record:
            return one
        same = replay_key(last.record.rollout) == replay_key(one.record.rollout)
        return replace(last, record=one.record) if same else one

    def _to_replay(self) -> Iterator[tuple[str, Wanted]]:
        for name, one in self._planned.items():
            rollout, plan = self._now.get(name), one.plan
            if rollout and plan and plan.replay and is_replayed_first(rollout, plan):
                yield name, Wanted(replay_key(rollout), one.pair, plan.replay)

    @staticmethod
    def records(
        rolled: Rolled, failed: Mapping[str, object], before: Mapping[str, Record]
    ) -> dict[str, Record]:
        """What is to be stored with the table."""
        kept = {
            name: msgspec.structs.replace(one, rollout=essence(one.rollout))
            for name, one in rolled.records.items()
            if name not in failed
        }
        return kept | {name: one for name, one in before.items() if name in failed}

    def floor(self, backend: str) -> int:
        """Replicas that rollouts need of it, or are about to need; 0 for none."""
        return max((one.get(backend, 0) for one in self._floors()), default=0)

    def _floors(self) -> Iterator[Mapping[str, int]]:
        for name, found in self._needs.items():
            rollout = self._now.get(name)
            if rollout is not None and not rollout.ended:
                yield found.ahead if rollout.reason in WANTS_REPLICAS else found.now

    async def run(self) -> None:
        """For ever, each 2 s."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.tick()

    def tick(self) -> None:
        """Look; ask for a reconcile if it would do another step, or has another thing to say."""
        due, self._scene = False, self._loads()
        for name, one in self._stored.going.items():
            rollout, plan, entry = self._now.get(name), one.plan, self._stored.entries.get(name)
            if rollout is None or plan is None or entry is None or rollout.ended:
                continue
            record, annotations = self._stored.records[name], self._stored.annotations
            heard = hear(annotations.get(name, {}), record.heard, rollout)
            scene = Scene(
                wanted=rollout.candidate, verified=False, orders=heard.orders, bounds_s=(),
                turn=one.turn,
            )  # fmt: skip
            scene = self._look(
                rollout, entry, scene, aim_of(rollout, plan, one.changes, one.question)
            )
            found = advance(rollout, plan, scene, now_s=self._clock())
            if essence(found) == record.rollout:
                self._now[name] = found
            else:
                due = True
            due = due or self._is_news(name)
        self._follow_probes()
        if due:
            self._on_due()

    def rolling(self, name: str) -> Rolling | None:
        """What is told of a policy's rollout from now on; counts are up to 15 s old."""
        found, told = self.standing(name), self._told.get(name)
        if found is None:
            self._told.pop(name, None)
            return None
        now_s = self._monotonic()
        if told is not None and now_s - told[0] < TOLD_S and _alike(told[1], found):
            return told[1]
        self._told[name] = (now_s, found)
        return found

    def _is_news(self, name: str) -> bool:
        found, told = self.standing(name), self._told.get(name)
        if found is None or told is None:
            return found is not None
        old = self._monotonic() - told[0] >= TOLD_S
        return not _alike(told[1], found) or (old and found != told[1])

    def standing(self, name: str) -> Rolling | None:
        """How it stands now, for whoever only looks: what was told stays what was told."""
        one, entry = self._stored.going.get(name), self._stored.entries.get(name)
        if one is None or entry is None:
            return None
        rollout, trial = self._now.get(name), entry.candidate
        return Rolling(
            candidate=rollout.candidate if rollout else "the new revision",
            rollout=rollout,
            plan=one.plan,
            desired=trial.weight_percent if trial else 0,
            verified=self._verified(entry),
            problems=(*one.problems, *self._refused(entry)),
        )

    def _refused(self, entry: table.PolicyEntry) -> tuple[str, ...]:
        """Why the first of the routers that refuse the candidate does."""
        for view in self._routers.views():
            ack = view.acks.get(entry.name)
            if entry.candidate and ack is not None and ack.candidate_error:
                return (f"{view.pod} refuses it: {ack.candidate_error[:1024]}",)
        return ()

    def _running(self, entry: table.PolicyEntry) -> list[table.Ack | None]:
        """What each router said of the candidate in force; None: it does not run it, or is mute."""
        found: list[table.Ack | None] = []
        for view in self._routers.views():
            ack = None if view.silent or view.pending else view.acks.get(entry.name)
            runs = ack is not None and entry.candidate and ack.candidate == entry.candidate.blob
            found.append(ack if runs else None)
        return found

    def _verified(self, entry: table.PolicyEntry) -> int:
        """The least part that any router said it sends to the candidate; 0: one is silent."""
        acks = self._running(entry)
        return min((ack.weight_percent if ack is not None else 0 for ack in acks), default=0)

    def _look(self, rollout: Rollout, entry: table.PolicyEntry, scene: Scene, aim: Aim) -> Scene:
        trial, last = entry.candidate, self._needs.get(entry.name)
        found = needs(aim.changes, self._scene, percent=aim.percent, ahead=aim.ahead, last=last)
        self._needs[entry.name] = found
        verified, acks = False, self._running(entry)
        if trial is not None:
            wanted = (trial.weight_percent, trial.shadow.percent if trial.shadow else 0)
            verified = bool(acks) and all(
                ack is not None and (ack.weight_percent, ack.shadow_percent) == wanted
                for ack in acks
            )
        scene = msgspec.structs.replace(
            scene,
            verified=verified,
            replayed=self._replayer.result(entry.name, replay_key(rollout)),
            bounds_s=DURATION_BOUNDS_S,
            short=found.short,
        )
        if rollout.in_shadow and self._shadower is not None:
            seen = self._shadower.seen(entry.name, rollout)
            counted = Stretch(pairs=seen.pairs)
            return msgspec.structs.replace(scene, counted=counted, shadowed=seen.shadowed)
        counted = self._counted(entry.name, rollout).look(self._routers.arms(entry.name))
        probed = None
        if is_overdue(rollout, aim.plan, now_s=self._clock()):
            probed = self._prober.probed(rollout, aim.question, aim.plan.probes)
        return msgspec.structs.replace(scene, counted=counted, probed=probed)

    def _counted(self, name: str, rollout: Rollout) -> Tally:
        found, key = self._tallies.get(name), key_of(rollout)
        if found is None or found.key != key:
            found = self._tallies[name] = Tally(key)
            found.look(self._routers.arms(name))
        return found

    @staticmethod
    def _read(view: TableView) -> Mapping[str, Record]:
        there = {policy.name for _, policy in view.policies}
        return {name: one for name, one in view.stored.rollouts.items() if name in there}

    def _remembered(self, name: str, record: Record) -> Record:
        known = self._now.get(name)
        if known is None or essence(known) != record.rollout:
            return record
        return msgspec.structs.replace(record, rollout=known)

    @staticmethod
    def _news(before: Mapping[str, Record], now: Mapping[str, Rollout]) -> dict[str, News]:
        found: dict[str, News] = {}
        for name in before.keys() | now.keys():
            old = before.get(name)
            news = news_of(old.rollout if old else None, now.get(name))
            if news is not None:
                found[name] = news
                metrics.ROLLOUT_STEPS.labels(news.reason).inc()
        return found


def _alike(one: Rolling, other: Rolling) -> bool:
    """Whether they differ in nothing but counts and findings."""
    return _bare(one) == _bare(other)


def _bare(one: Rolling) -> Rolling:
    return replace(one, rollout=essence(one.rollout) if one.rollout else None)
