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
from pointsman.cli.rollout.kubectl import Failed, Kubectl
from pointsman.operator.plan.rollout import ordering

EVERY_S: Final = 0.5
_KIND: Final = f"{names.PLURALS[names.ROUTING_POLICY]}.{names.GROUP}"
Json = Mapping[str, Any]


class Refused(Exception):
    """Why an order is not given."""


class NoRollout(Exception):
    """There is nothing to tell of."""


def rollout(options: argparse.Namespace) -> int:
    """See the table above."""
    flags = [
        word
        for flag, value in (("--namespace", options.namespace), ("--context", options.context))
        if value
        for word in (flag, value)
    ]
    command = _Command(Kubectl(flags), options)
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
            found = _rollout_of(item)
            behind = _is_behind(item)
            if not behind and found is None:
                raise NoRollout(f"{self._options.name} has no rollout: {_in_force(item)}")
            phase = "" if behind or found is None else found.get("phase", "")
            if phase in {"Promoted", "Aborted"} or time.monotonic() >= ends_s:
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
            if not _is_behind(item) and obeyed(item):
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
        found = _rollout_of(item)
        if found is None or _is_behind(item):
            raise Refused(f"{self._options.name} has no rollout: {_in_force(item)}")
        phase, ended = found.get("phase"), found.get("phase") in {"Promoted", "Aborted"}
        if action == "retry":
            if phase != "Aborted":
                raise Refused(f"only what was rolled back can be tried again; it is {phase}")
            self._annotate(ordering.RETRY, f"{_candidate(item)} {_now()}")
            return lambda now: (_rollout_of(now) or {}).get("phase") != "Aborted"
        if ended:
            raise Refused(f"it has ended: {found.get('message', phase)}")
        return self._give_running(action, item, found)

    def _give_running(self, action: str, item: Json, found: Json) -> Callable[[Json], bool]:
        if action == "approve":
            return self._approve(item, found)
        if action in {"pause", "resume"}:
            self._annotate(ordering.PAUSED, "true" if action == "pause" else None)
            wanted = action == "pause"
            return lambda now: ((_rollout_of(now) or {}).get("phase") == "Paused") is wanted
        name = ordering.PROMOTE if action == "promote" else ordering.ABORT
        self._annotate(name, f"{_candidate(item)} {_now()}")
        end = "Promoted" if action == "promote" else "Aborted"
        return lambda now: (_rollout_of(now) or {}).get("phase") == end

    def _approve(self, item: Json, found: Json) -> Callable[[Json], bool]:
        options, candidate, step = self._options, _candidate(item), found.get("step", 0)
        if options.revision not in {None, candidate}:
            raise Refused(f"stale: the candidate is {candidate}, not {options.revision}")
        if options.step not in {None, step}:
            raise Refused(f"stale: the rollout is in step {step}, not {options.step}")
        approver = options.approver or self._kubectl.me() or getpass.getuser()
        said = {"revision": candidate, "step": step, "approver": approver, "at": _now()}
        self._annotate(ordering.APPROVE, json.dumps(said))
        before = len(found.get("approvedBy", ()))

        def obeyed(now: Json) -> bool:
            seen = _rollout_of(now) or {}
            return len(seen.get("approvedBy", ())) > before or seen.get("phase") in {
                "Progressing", "Promoted", "Aborted",
            }  # fmt: skip

        return obeyed

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
        return lambda now: wanted in {_candidate(now), now["status"].get("activeRevision")}

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
    if _is_behind(item):
        return "the operator has not seen the edit yet"
    found = _rollout_of(item)
    if found is None:
        return _in_force(item)
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


def _rollout_of(item: Json) -> Json | None:
    found: Json | None = (item.get("status") or {}).get("rollout")
    return found


def _candidate(item: Json) -> str:
    """The revision that its rollout is about, also when that was rolled back."""
    return str((_rollout_of(item) or {}).get("revision", ""))


def _is_behind(item: Json) -> bool:
    seen = (item.get("status") or {}).get("observedGeneration")
    return bool(seen != item["metadata"].get("generation"))


def _in_force(item: Json) -> str:
    status = item.get("status") or {}
    return f"revision {status.get('activeRevision', 'none')} is in force"


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
    before = (_rollout_of(item) or {}).get("stable")
    for found in (active, before):
        if found in by_name and found != newest["metadata"]["name"]:
            return by_name[found]
    if len(revisions) < 2:
        raise Refused("there is no revision before this one")
    return revisions[-2]


def _owner(item: Json) -> str:
    owners = item["metadata"].get("ownerReferences") or ()
    return next((str(one["uid"]) for one in owners if one.get("controller")), "")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
