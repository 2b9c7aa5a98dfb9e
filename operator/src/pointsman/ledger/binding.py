"""PURE but for the transaction it is given: which request feedback is about, and may it be.

Feedback names its request by the decision, or by the id of the answer, which is looked for among
the answers of the same caller only: providers give the same ids to different people.
"""

from collections.abc import Sequence

import msgspec

from pointsman.ledger.contract import Found, Transaction
from pointsman.ledger.rows import FEEDBACK, Refusal, Said
from pointsman.ledger.tally import Tally, quality


class Bound(msgspec.Struct):
    """What became of some feedback."""

    bound: list[tuple[Said, Found]]
    waiting: list[Said]
    refused: list[tuple[Said, Refusal]]


def match(said: Sequence[Said], found: Sequence[Found]) -> Bound:
    """Each to its request; `found` has the newest first."""
    decisions = {one.decision: one for one in reversed(found)}
    answers = {(one.caller, one.response_id): one for one in reversed(found)}
    result = Bound([], [], [])
    for one in said:
        if one.decision:
            request = decisions.get(one.decision)
        else:
            request = answers.get((one.caller, one.response_id))
        if request is None:
            result.waiting.append(one)
        elif request.caller != one.caller:
            result.refused.append((one, "NotTheCaller"))
        else:
            result.bound.append((one, request))
    return result


def bind(transaction: Transaction, said: Sequence[Said], tally: Tally) -> Bound:
    """Write what is bound to its request, and move that one's rollup."""
    if not said:
        return Bound([], [], [])
    result = match(
        said,
        transaction.find(
            sorted({one.decision for one in said if one.decision}),
            sorted({one.response_id for one in said if not one.decision}),
        ),
    )
    requests = {request.decision: request for _, request in result.bound}
    before = transaction.said_about(sorted(requests))
    after = {decision: list(before.get(decision, ())) for decision in requests}
    new: list[tuple[Said, Found]] = []
    for one, request in result.bound:
        if any(one.id == other.id for other in after[request.decision]):
            result.refused.append((one, "Duplicate"))
        else:
            after[request.decision].append(one)
            new.append((one, request))
    result.bound = new
    if new:
        rows = [one.row(request.decision, request.at_ms) for one, request in new]
        transaction.add("feedback", FEEDBACK, rows)
    for decision, everything in after.items():
        old, now = quality(before.get(decision, ())), quality(everything)
        moved = [value - was for value, was in zip(now, old, strict=True)]
        if any(moved):
            request = requests[decision]
            tally.quality(request.series, request.at_ms, moved)
    return result


def write_tally(transaction: Transaction, tally: Tally) -> None:
    """Move the rollups; the last step, since everybody else waits for them."""
    moved = tally.keyed()
    if moved:
        transaction.count(tally.series(), moved)
