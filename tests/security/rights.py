"""What was used beside what was granted: no right without a use, no use without a right.

python -m tests.security.rights FOLDER

Reads what benches left in FOLDER (POINTSMAN_AUDIT=FOLDER beside the whole suite; `make rights`) and
the chart as helm renders it. Ends with 1 if they differ, and says how.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.audit import Use, left
from tests.bench.build import BuildFailed, build
from tests.bench.fixtures import required
from tests.security.granted import RELEASE, Grant, Scope, grants_in, rendered
from tests.until import mark_of

PARTS: Final = ("operator", "router", "ledger")


class Rare(NamedTuple):
    """Why a right may go unused in a run of the suite, and the test that needs it."""

    why: str
    test: str


_CONSOLE: Final = Rare(
    "its tests on a bench press buttons in a browser, which not every machine has",
    "tests/operator/test_console_on_bench.py"
    "::test_a_rollout_is_approved_and_another_aborted_in_the_page",
)
_CHANGED: Final = Rare(
    "a backend that becomes external or a service loses them; else they go with their owner",
    "tests/operator/test_children.py::test_only_deployments_have_children",
)

RARE: Final[Mapping[Grant, Rare]] = {
    Grant(f"{RELEASE}-operator", "own", "apps", "deployments", "delete"): _CHANGED,
    Grant(f"{RELEASE}-operator", "own", "", "services", "delete"): _CHANGED,
    Grant(f"{RELEASE}-operator", "own", "policy", "poddisruptionbudgets", "delete"): _CHANGED,
    Grant(f"{RELEASE}-operator", "own", "apps", "controllerrevisions", "delete"): Rare(
        "more than ten edits of one policy",
        "tests/operator/rollout/test_rollouts.py::test_two_revisions_and_the_wanted_history_are_kept",
    ),
    Grant(f"{RELEASE}-ledger", "own", "pointsman.dev", "routingpolicies", "get"): _CONSOLE,
    Grant(f"{RELEASE}-ledger", "own", "pointsman.dev", "routingpolicies", "patch"): _CONSOLE,
    Grant(f"{RELEASE}-operator", "own", "", "configmaps", "delete"): Rare(
        "blobs that nothing refers to stay for ten minutes",
        "tests/operator/test_controllers.py::test_a_blob_that_routers_cannot_see_is_made_anew",
    ),
    Grant(f"{RELEASE}-operator", "own", "pointsman.dev", "routingpolicies", "get"): Rare(
        "only where a suite draws prompts of a policy from a ledger",
        "tests/operator/evaluating/test_drawing.py"
        "::test_a_draw_is_ready_and_no_text_of_it_is_in_the_api_server",
    ),
}


class Difference(NamedTuple):
    """One line of the verdict."""

    what: str
    """`refused`, `beyond` the chart though allowed, `unused`, or `gone` though in `RARE`."""
    grant: Grant


def part_of(account: str) -> str:
    """Which part of a release it is the account of; empty for any other."""
    return next((part for part in PARTS if account.endswith(f"-{part}")), "")


def asked(use: Use) -> Grant:
    """What a use needs, as the chart would say it for the release RELEASE."""
    scope: Scope = "own" if use.namespace == use.home else "other" if use.namespace else "cluster"
    return Grant(f"{RELEASE}-{part_of(use.account)}", scope, use.group, use.resource, use.verb)


def for_everybody(use: Use) -> bool:
    """Discovery and the like, which Kubernetes grants to all who are known."""
    return use.role.startswith("cluster:system:")


def differences(
    uses: Iterable[Use], granted: Set[Grant], rare: Mapping[Grant, Rare] = RARE
) -> list[Difference]:
    """
    In order, without doubles.

    A use that was refused though it is granted is none: a namespace that is deleted loses its Role
    before its pods, and an API server that begins knows no role at first.
    """
    uses = list(uses)
    common = {asked(use) for use in uses if part_of(use.account) and for_everybody(use)}
    unnamed = {grant._replace(names=()) for grant in granted}
    used: set[Grant] = set()
    found: set[Difference] = set()
    for use in uses:
        if not part_of(use.account) or for_everybody(use):
            continue
        need = asked(use)
        if need in common and not use.allowed:
            continue
        if need not in unnamed:
            found.add(Difference("beyond" if use.allowed else "refused", need))
        elif use.allowed:
            used.add(need)
        elif not _covers(granted, need, use):
            found.add(Difference("refused", need._replace(names=(use.name,))))
    found |= {Difference("unused", one) for one in granted - rare.keys() if _bare(one) not in used}
    return sorted(found)


def _covers(granted: Set[Grant], need: Grant, use: Use) -> bool:
    """Whether a right that may be to some names is to this one, as the release RELEASE calls it."""
    release = use.account.removesuffix(f"-{part_of(use.account)}")
    name = RELEASE + use.name.removeprefix(release) if use.name.startswith(release) else use.name
    rights = [one for one in granted if _bare(one) == need]
    return any(not one.names or name in one.names for one in rights)


def _bare(grant: Grant) -> Grant:
    return grant._replace(names=())


def table(granted: Set[Grant]) -> str:
    """One line for each resource of each account."""
    verbs: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in granted:
        name = f"{one.resource}.{one.group}" if one.group else one.resource
        verbs[(one.account, one.scope, name, ",".join(one.names))].append(one.verb)
    return "\n".join(
        f"{account:20} {scope:8} {name:44} {' '.join(sorted(found))}{' of ' + only if only else ''}"
        for (account, scope, name, only), found in sorted(verbs.items())
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.security.rights")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    uses = left(folder)
    if not uses:
        print(f"not run: no bench left its uses in {folder}", file=sys.stderr)
        return 1 if required() else 0
    try:
        granted = grants_in(rendered(build()))
    except BuildFailed as error:
        print(f"not run: {error}", file=sys.stderr)
        return 1
    print(table(granted))
    found = differences(uses, granted)
    found += [Difference("gone", one) for one in RARE if one not in granted]
    if mark_of(folder).exists():
        print("not all tests ran: whether every right is used was not looked at", file=sys.stderr)
        found = [one for one in found if one.what != "unused"]
    for one in found:
        print(f"{one.what:8} {one.grant}", file=sys.stderr)
    ours = sum(1 for use in uses if part_of(use.account))
    print(f"{len(granted)} rights, {ours} kinds of uses by {len(list(folder.iterdir()))} benches: "
          f"{f'{len(found)} differences' if found else 'the same'}")  # fmt: skip
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
