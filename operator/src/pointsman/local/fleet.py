"""What a session runs, as the console of its ledger sees it, and what is ordered there.

`fleet.json` has backends, policies and revisions as an API server would have them; it is written
when something changed and touched otherwise, so that an end is seen. `orders.json` has annotations
of policies that count beside those of the files, while the session lasts.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from pointsman.api import names
from pointsman.ledger.console.fleet.files import ORDERS, STATE, read_orders, write_whole
from pointsman.ledger.console.fleet.seen import Away
from pointsman.local.desired import NAMESPACE, Desired
from pointsman.local.processes import Running
from pointsman.local.saying import state_of
from pointsman.operator.plan.objects import Json
from pointsman.operator.plan.revisions import Revision
from pointsman.router.live import Live

EVERY_S: Final = 1.0
_READY: Final = ("Ready", "External")
Objects = dict[str, Sequence[Json]]


class LocalFleet:
    """In `folder`. `on_order` has to plan again; `look` gives what is so now."""

    def __init__(
        self, folder: Path, on_order: Callable[[], None], look: Callable[[], Objects]
    ) -> None:
        self.folder = folder
        self._on_order, self._look = on_order, look
        self._shown = b""
        self._stamp = 0

    def ordered(
        self, annotations: Mapping[str, Mapping[str, str]]
    ) -> Mapping[str, Mapping[str, str]]:
        """By policy, with the orders that were given in the console."""
        orders = read_orders(self.folder)
        if not orders:
            return annotations
        found = {}
        for policy, own in annotations.items():
            both = {**own, **orders.get(policy, {})}
            found[policy] = {name: value for name, value in both.items() if value is not None}
        return found

    async def run(self) -> None:
        """For ever."""
        while True:
            if self._has_news():
                self._on_order()
            # A full disk costs the console its view, and no request.
            with contextlib.suppress(Away, OSError):
                self._show()
            await asyncio.sleep(EVERY_S)

    def _has_news(self) -> bool:
        try:
            stamp = (self.folder / ORDERS).stat().st_mtime_ns
        except OSError:
            return False
        is_new, self._stamp = stamp != self._stamp, stamp
        return is_new

    def _show(self) -> None:
        data = msgspec.json.encode(self._look())
        if data != self._shown:
            write_whole(self.folder / STATE, data)
            self._shown = data
        else:
            (self.folder / STATE).touch()


class Births:
    """When each revision was seen first: local mode has no time of creation."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def of(self, revision: str) -> str:
        """RFC 3339."""
        return self._seen.setdefault(revision, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}")


def backends_of(
    desired: Desired, items: Sequence[Json], running: Mapping[str, Running], live: Live
) -> Sequence[Json]:
    """ModelBackends with what their processes and the router say."""
    known = {item["metadata"]["name"]: item for item in items}
    found = []
    for name in sorted(desired.backends):
        item = known.get(name)
        if item is None:
            continue
        state = state_of(desired, name, running)
        mine = [run for key, run in running.items() if key.rpartition("/")[0] == name]
        status = dict(item["status"])
        status["conditions"] = [_ready(state), *status.get("conditions", ())]
        if desired.backends[name].spec.deployment:
            status["replicas"] = len(mine)
            status["readyReplicas"] = sum(run.serving is not None for run in mine)
            status["queueDepth"] = live.in_flight.get(name, 0) + live.held.get(name, 0)
        found.append({**item, "status": status})
    return found


def policies_of(desired: Desired, rollouts: Mapping[str, Mapping[str, Any]]) -> Sequence[Json]:
    """RoutingPolicies; `rollouts`: `status.rollout` by policy."""
    found = []
    for name, verdict in sorted(desired.table.verdicts.items()):
        accepted = verdict.accepted
        ready = {
            "type": "Ready",
            "status": "True" if accepted.status else "False",
            "reason": str(accepted.reason),
            "message": accepted.message,
        }
        status: dict[str, Any] = {"observedGeneration": 1, "conditions": [ready]}
        if verdict.entry is not None:
            status["activeRevision"] = verdict.entry.revision
        if name in rollouts:
            status["rollout"] = rollouts[name]
        about = {
            "name": name, "namespace": NAMESPACE, "generation": 1,
            "annotations": dict(desired.annotations.get(name, {})),
        }  # fmt: skip
        found.append({"metadata": about, "spec": verdict.policy.spec, "status": status})
    return found


def revisions_of(revisions: Mapping[str, Sequence[Revision]], births: Births) -> Sequence[Json]:
    """As ControllerRevisions, in the order of their numbers."""
    return [
        {
            "metadata": {
                "name": one.name,
                "labels": {names.LABEL_POLICY: policy},
                "creationTimestamp": births.of(one.name),
            }
        }
        for policy, known in sorted(revisions.items())
        for one in sorted(known, key=lambda one: one.number)
    ]


def _ready(state: str) -> Json:
    reason, _, message = state.partition(":")
    reason = reason.partition(" ")[0]
    return {
        "type": "Ready",
        "status": "True" if reason in _READY else "False",
        "reason": reason,
        "message": message.strip() or state,
    }
