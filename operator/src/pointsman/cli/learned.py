"""What predictors have learned by now, for `pointsman explain`: asked, and fitted, as they do it.

Guarantees that nothing is written, neither to the ledger nor to a policy.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from pointsman.events.ship import Target
from pointsman.ledger.asking import ask_labels
from pointsman.ledger.contract import StoreError
from pointsman.ledger.labels import Labels
from pointsman.operator.cluster.fitting import fit
from pointsman.operator.cluster.labels import read_labels
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.learning import WINDOW, Wish, job_of
from pointsman.operator.plan.predicting import Learned


class NotLearned(Exception):
    """The text says why."""


def learned_by_now(
    wishes: Mapping[str, Wish], *, ledger: str | None, token_file: Path | None, db: Path | None
) -> dict[str, Learned]:
    """By policy; nothing without a ledger. Raises NotLearned."""
    if ledger is not None and db is not None:
        raise NotLearned("--ledger and --db are two ways to the same: give one of them")
    if ledger is None and token_file is not None:
        raise NotLearned("--token-file belongs to --ledger")
    found = {}
    try:
        for name, wish in wishes.items():
            since_s = WINDOW * wish.half_life_s
            if db is not None:
                labels = _of_file(db, name, since_s)
            elif ledger is not None:
                target = Target(url=ledger, token_file=token_file)
                labels = asyncio.run(read_labels(target, name, since_s))
            else:
                continue
            job = job_of(wish, labels.labels, time.time())
            if learned := asyncio.run(fit(job)).learned():
                found[name] = learned
    except (Waiting, StoreError, ValueError) as error:
        raise NotLearned(str(error)) from None
    return found


def _of_file(path: Path, policy: str, since_s: float) -> Labels:
    from pointsman.ledger.stores.sqlite import SqliteStore  # noqa: PLC0415

    now_ms = time.time_ns() // 1_000_000
    store = SqliteStore(path, keep_events_ms=0)
    try:
        store.look()
        return ask_labels(store, policy, now_ms - int(since_s * 1000), now_ms)
    finally:
        store.close()
