"""What predictors have learned by now: asked for, and fitted, as the operator does it.

Guarantees that nothing is written, neither to the ledger nor to a policy.
"""

import asyncio
import time
from collections.abc import Mapping

from pointsman.cli.ledger import Ledger, NoLedger
from pointsman.operator.cluster.fitting import fit
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.learning import WINDOW, Wish, job_of
from pointsman.operator.plan.predicting import Learned


def learned_by_now(ledger: Ledger, wishes: Mapping[str, Wish]) -> dict[str, Learned]:
    """By policy, of those that have learned something. Raises NoLedger."""
    found = {}
    for name, wish in wishes.items():
        labels = ledger.labels(name, WINDOW * wish.half_life_s).labels
        try:
            learned = asyncio.run(fit(job_of(wish, labels, time.time()))).learned()
        except Waiting as error:
            raise NoLedger(str(error)) from None
        if learned:
            found[name] = learned
    return found
