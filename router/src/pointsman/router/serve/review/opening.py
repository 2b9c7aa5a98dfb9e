"""What the ledger is told of a request that is held."""

from typing import TYPE_CHECKING

import msgspec

from pointsman.api.dataclass import CLASSES
from pointsman.events.reviews import Opening, Webhook
from pointsman.router.serve.review.seen import request_hash
from pointsman.routing.review import Need

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What another router has to know to run an approved request."""

    path: str
    rule: str
    data_class: str = ""
    """Its own, without its rule's; empty is Public."""


def opening_of(
    exchange: "Exchange",
    need: Need,
    *,
    request: bytes,
    answer: bytes,
    stream: bool,
    asynchronous: bool,
) -> Opening:
    """`request` as its caller sent it; `answer` is whole, or empty for the stage Request."""
    policy, track, rank = exchange.policy, exchange.track, exchange.data_rank
    compiled, rule = policy.review, exchange.taken.route.name
    assert compiled is not None, "it asks for the review"
    asks, backend = compiled.asks, track.of[1] if track is not None and answer else None
    path = exchange.request.head.target.partition(b"?")[0].decode("ascii")
    context = Context(path=path, rule=rule, data_class=str(CLASSES[rank]) if rank else "")
    within_ms = int(asks.deadline_s * 1000)
    return Opening(
        id=exchange.decision_id.decode(),
        request_hash=request_hash(exchange, request),
        stage=need.stage,
        priority=need.priority,
        reason=f"{need.cause}:{need.name}",
        policy=policy.name,
        revision=policy.revision,
        rule=rule,
        caller=exchange.caller.name,
        team=exchange.caller.team,
        backend=backend.name if backend is not None else "",
        model=exchange.asked.model,
        operation=exchange.operation.name,
        stream=stream,
        asynchronous=asynchronous,
        within_ms=within_ms,
        keep_ms=max(int(asks.retention_s * 1000), within_ms),
        max_held=asks.max_held,
        webhooks=tuple(Webhook(name=one.key, url=one.url) for one in asks.webhooks),
        fallback=compiled.fallback is not None,
        context=msgspec.json.encode(context).decode(),
        request=request.decode(),
        answer=answer.decode(),
    )
