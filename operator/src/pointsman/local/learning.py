"""Predictors of local mode: the operator's learner, on the ledger beside it, asked more often."""

import asyncio
from collections.abc import Callable
from typing import Final

from pointsman.ledger.labels import Labels
from pointsman.local.desired import Desired
from pointsman.local.ledger import LocalLedger
from pointsman.operator.cluster.fitting import fit
from pointsman.operator.cluster.labels import read_labels
from pointsman.operator.controllers.learning import Ask, Learner
from pointsman.operator.errors import Waiting

EVERY_S: Final = 5.0
"""Who tries it out on a laptop waits for it."""
START_S: Final = 5.0
_PAUSE_S: Final = 0.25


def learner_of(ledger: LocalLedger | None, on_change: Callable[[], None]) -> Learner:
    """`on_change` has to plan again."""
    ask = _asking(ledger) if ledger else None
    return Learner(ask, fit, on_change, every_s=EVERY_S)


def _asking(ledger: LocalLedger) -> Ask:
    """A ledger that is on its way up is no problem to tell of."""

    async def ask(policy: str, since_s: float) -> Labels:
        for _ in range(int(START_S / _PAUSE_S)):
            try:
                return await read_labels(ledger.target, policy, since_s)
            except Waiting:
                await asyncio.sleep(_PAUSE_S)
        return await read_labels(ledger.target, policy, since_s)

    return ask


def told(learner: Learner, desired: Desired) -> dict[str, str]:
    """How each predictor stands, by policy, for people."""
    found = {}
    for name in desired.table.verdicts:
        learning = learner.learning(name)
        if learning is None:
            continue
        if learning.problem:
            found[name] = f"does not learn: {learning.problem}"
        elif learning.learned is None:
            found[name] = "knows what is published of its models; too few ratings to learn from"
        else:
            counts = ", ".join(f"{one} {count}" for one, count in learning.samples.items())
            found[name] = f"learned from ratings: {counts}"
    return found
