"""`pointsman rollout`: reads and writes the policy only; the operator does the rest.

| exit status | of `status`             | of an order                     |
| 0           | promoted                | obeyed                          |
| 1           | rolled back             | refused, or kubectl failed      |
| 3           | neither, in that time   | not obeyed in that time         |

2 is wrong usage, and a policy without a rollout.
"""

import argparse
import getpass
import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pointsman.api import names
from pointsman.api.orders import (
    ENDED,
    Action,
    Refused,
    candidate_of,
    in_force,
    is_behind,
    order,
    rollout_of,
)
from pointsman.cli.listing.arguments import cluster_flags
from pointsman.cli.rollout.kubectl import Failed, Kubectl

EVERY_S: Final = 0.5
_KIND: Final = f"{names.PLURALS[names.ROUTING_POLICY]}.{names.GROUP}"
Json = Mapping[str, Any]


class NoRollout(Exception):
    """There is nothing to tell of."""


def rollout(options: argparse.Namespace) -> int:
    """See the table above."""
    command = _Command(Kubectl(cluster_flags(options)), options)
    try:
        return command.status() if options.action == "status" else command.order()
    except NoRollout as error:
        print(f"pointsman rollout: {error}", file=sys.stderr)
        return 2
    except (Failed, Refused) as error:
        print(f"pointsman rollout: {error}", file=sys.stderr)
        return 1


class _Command:
    def __init__(self, kubectl: Kubectl, options: argparse.Namespace) -> None:
        self._kubectl = kubectl
        self._options = options
        self._told = ""

    def status(self) -> int:
        """Tell what changes, until it has ended."""
        ends_s = time.monotonic() + self._options.timeout
        while True:
            item = self._read()
            found = rollout_of(item)
            behind = is_behind(item)
            if not behind and found is None:
                raise NoRollout(f"{self._options.name} has no rollout: {in_force(item)}")
            phase = "" if behind or found is None else found.get("phase", "")
            if phase in ENDED or time.monotonic() >= ends_s:
                self._tell(item, last=True)
                return {"Promoted": 0, "Aborted": 1}.get(phase, 3)
            self._tell(item)
            time.sleep(EVERY_S)

    def order(self) -> int:
        """Give it, and wait until it is obeyed."""
        before = self._read()
        obeyed = self._give(before)
        ends_s = time.monotonic() + self._options.timeout
        while True:
            item = self._read()
            if not is_behind(item) and obeyed(item):
                self._tell(item, last=True)
                return 0
            if time.monotonic() >= ends_s:
                print("pointsman rollout: not obeyed yet", file=sys.stderr)
                self._tell(item, last=True)
                return 3
            time.sleep(EVERY_S)

    def _give(self, item: Json) -> Callable[[Json], bool]:
        """Write the order; what says that it is obeyed."""
        action = self._options.action
        if action == "undo":
            return self._undo(item)
        options, approver = self._options, ""
        if action == Action.APPROVE:
            approver = options.approver or self._kubectl.me() or _me()
        said = order(
            Action(action),
            item,
            now=_now(),
            approver=approver,
            revision=getattr(options, "revision", None),
            step=getattr(options, "step", None),
        )
        self._annotate(*said)
        return _obeyed(Action(action), rollout_of(item) or {})

    def _undo(self, item: Json) -> Callable[[Json], bool]:
        about = item["metadata"]
        selector = f"{names.LABEL_POLICY}={about['name']}"
        listed = self._kubectl.get("controllerrevisions", "-l", selector)["items"]
        mine = [one for one in listed if _owner(one) == about["uid"]]
        revisions = sorted(mine, key=lambda one: one.get("revision", 0))
        chosen = _previous(revisions, item, self._options.to_revision)
        if chosen["data"] == item.get("spec"):
            raise Refused(
                f"the spec is {chosen['metadata']['name']} already; what was learned beside it "
                "ends with spec.drift.onDetected: Alert"
            )
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": about["resourceVersion"]},
            {"op": "replace", "path": "/spec", "value": chosen["data"]},
        ]
        self._kubectl.run(
            "patch", _KIND, about["name"], "--type=json", f"--patch={json.dumps(patch)}"
        )
        wanted = chosen["metadata"]["name"]
        return lambda now: wanted in {candidate_of(now), now["status"].get("activeRevision")}

    def _read(self) -> Json:
        return self._kubectl.get(_KIND, self._options.name)

    def _annotate(self, name: str, value: str | None) -> None:
        said = f"{name}-" if value is None else f"{name}={value}"
        self._kubectl.run("annotate", "--overwrite", _KIND, self._options.name, said)

    def _tell(self, item: Json, *, last: bool = False) -> None:
        """Each new thing once; as JSON the last one alone."""
        if self._options.output == "json":
            if last:
                status = item.get("status") or {}
                print(json.dumps(
                    {
                        "name": item["metadata"]["name"],
                        "activeRevision": status.get("activeRevision"),
                        "candidateRevision": status.get("candidateRevision"),
                        "rollout": status.get("rollout"),
                    },
                    indent=2,
                ))  # fmt: skip
            return
        said = _text(item)
        if said != self._told:
            self._told = said
            print(said, flush=True)


def _text(item: Json) -> str:
    if is_behind(item):
        return "the operator has not seen the edit yet"
    found = rollout_of(item)
    if found is None:
        return in_force(item)
    lines = [f"{found.get('phase')}: {found.get('message', '')}"]
    if replay := found.get("replay"):
        lines.append(f"  Replay: {replay.get('verdict')}, {replay.get('message')}")
    if shadow := found.get("shadow"):
        lines.append(f"  Shadow: {_told(shadow)}")
    lines += [
        f"  {one.get('guardrail')}: {one.get('verdict')}, {one.get('message')}"
        for one in found.get("findings", ())
    ]
    return "\n".join(lines)


def _told(shadow: Json) -> str:
    """What its shadow has found."""
    said = f"{shadow.get('verdict')}, {shadow.get('pairs', 0)} pairs"
    if shadow.get("equal"):
        said += f", of them {shadow['equal']} with the same choice"
    if shadow.get("unjudged"):
        said += f", {shadow['unjudged']} not judged"
    return f"{said}, {shadow['spent']} spent" if "spent" in shadow else said


def _obeyed(action: Action, before: Json) -> Callable[[Json], bool]:
    """What says that an order is obeyed."""
    approvals = len(before.get("approvedBy", ()))

    def is_obeyed(now: Json) -> bool:
        seen = rollout_of(now) or {}
        phase = seen.get("phase")
        if action is Action.APPROVE:
            more = len(seen.get("approvedBy", ())) > approvals
            return more or phase in ENDED or phase == "Progressing"
        if action is Action.RETRY:
            return bool(phase != "Aborted")
        if action in {Action.PAUSE, Action.RESUME}:
            return (phase == "Paused") is (action is Action.PAUSE)
        return bool(phase == ("Promoted" if action is Action.PROMOTE else "Aborted"))

    return is_obeyed


def _previous(revisions: list[Json], item: Json, wanted: str | None) -> Json:
    """The revision that an undo goes back to."""
    if not revisions:
        raise Refused("there is no revision yet")
    by_name = {one["metadata"]["name"]: one for one in revisions}
    if wanted is not None:
        if wanted not in by_name:
            raise Refused(f"no revision {wanted}; there are: {', '.join(by_name)}")
        return by_name[wanted]
    newest, active = revisions[-1], (item.get("status") or {}).get("activeRevision")
    before = (rollout_of(item) or {}).get("stable")
    for found in (active, before):
        if found in by_name and found != newest["metadata"]["name"]:
            return by_name[found]
    if len(revisions) < 2:
        raise Refused("there is no revision before this one")
    return revisions[-2]


def _owner(item: Json) -> str:
    owners = item["metadata"].get("ownerReferences") or ()
    return next((str(one["uid"]) for one in owners if one.get("controller")), "")


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this user id
        raise Refused("nobody knows who you are: say it with --approver") from None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
