"""`pointsman status`: reads the API server alone, and the ledger's figures through it.

| exit status |                                                          |
| 0           | shown, and everything is ready                           |
| 1           | shown, and something is not ready; or it cannot be read  |
| 2           | wrong usage                                              |
"""

import argparse
import sys
import time
from collections import Counter

from pointsman.api import names
from pointsman.cli.listing.arguments import cluster_flags
from pointsman.cli.listing.page import Page
from pointsman.cli.listing.showing import show
from pointsman.cli.rollout.kubectl import Failed, Kubectl
from pointsman.cli.status.page import is_ready, page
from pointsman.cli.top.figures import figures_of, ledgers

_KINDS = ",".join(f"{plural}.{names.GROUP}" for plural in names.PLURALS.values())
_PENDING = "pointsman_ledger_reviews_pending"


def status(options: argparse.Namespace) -> int:
    """See the table above."""
    kubectl = Kubectl(cluster_flags(options))
    every = ["--all-namespaces"] if options.all_namespaces else []

    def look() -> Page:
        items = kubectl.get(_KINDS, *every)["items"]
        return page(
            items, _pending(kubectl, every), time.time(), all_namespaces=options.all_namespaces
        )

    try:
        found = show(options, look)
    except Failed as error:
        print(f"pointsman status: {error}", file=sys.stderr)
        return 1
    return 0 if is_ready(found.items) else 1


def _pending(kubectl: Kubectl, every: list[str]) -> dict[str, int]:
    """By the ledgers' own figures; replicas of one store tell the same, so the most counts."""
    found: Counter[str] = Counter()
    # Without a right, or a ledger that answers, nothing is told.
    try:
        there = ledgers(kubectl, every)
    except Failed:
        return found
    for namespace, path in there:
        try:
            text = kubectl.run("get", "--raw", path)
        except Failed:
            continue
        waits = sum(value for name, _, value in figures_of(text) if name == _PENDING)
        found[namespace] = max(found[namespace], int(waits))
    return found
