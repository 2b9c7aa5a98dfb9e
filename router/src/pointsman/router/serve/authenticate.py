"""The first layer: whose request it is.

Guarantees that a request goes on only with a key that is known now: one that was let in at its head
is judged again if a Secret has changed since. Refuses with 401, with 503 while nobody can tell, and
pages of other sites with 403 where no key is asked for on one machine.
"""

from typing import TYPE_CHECKING, Final

from pointsman.router.callers import Caller, Refusal, Verdict, judge
from pointsman.router.errors import BadRequest, Problem, Refused
from pointsman.router.wire.received import Head, Request

if TYPE_CHECKING:
    from collections.abc import Collection

    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.plane import Plane

_MESSAGES: Final = {
    Refusal.NO_KEY: "This router asks for an API key. Send it as `Authorization: Bearer KEY` "
    "or `x-api-key: KEY`.",
    Refusal.MALFORMED: "The API key is not readable. Send one `Authorization: Bearer KEY` header.",
    Refusal.UNKNOWN_KEY: "The API key is not known to this router.",
    Refusal.EXPIRED_KEY: "The API key has expired.",
    Refusal.FOREIGN_PAGE: "A page of another site sent this to a router that asks for no key, and "
    "nothing was done.",
}
_NAMED_MODELS: Final = 20


def authenticate(exchange: "Exchange") -> None:
    """Fill in the caller."""
    verdict = exchange.request.verdict
    if verdict is not None and verdict.by is exchange.plane.live.callers:
        caller = verdict.caller
        if isinstance(caller, Caller):  # the usual case of `caller_of`
            exchange.caller = caller
            return
    exchange.caller = caller_of(exchange.plane, exchange.request)


def judge_head(plane: "Plane", head: Head) -> Verdict:
    """At the end of a head, so that a stranger's body is not kept; a key let in stays known."""
    callers, now_s = plane.live.callers, plane.wall()
    verdict = head.verdict
    if verdict is not None and verdict.by is callers:
        caller = verdict.caller
        if isinstance(caller, Caller) and now_s < caller.expires_at_s:
            return verdict
    head.verdict = verdict = judge(callers, head.headers, now_s)
    return verdict


def caller_of(plane: "Plane", request: Request) -> Caller:
    """Raises Problem for whoever is not let in."""
    callers = plane.live.callers
    verdict = request.verdict
    if verdict is None or (verdict.by is not callers and isinstance(verdict.caller, Caller)):
        verdict = judge(callers, request.head.headers, plane.wall())
    # Who was refused at the head stays refused, whatever is known now: the body was not kept.
    if isinstance(verdict.caller, Refusal):
        raise refuse(plane, verdict.caller)
    return verdict.caller


def refuse(plane: "Plane", refusal: Refusal, *, close: bool = False) -> Problem:
    """Count it, and say why in OpenAI's shape."""
    plane.metrics.refused(refusal)
    if refusal is Refusal.NOT_READY:
        message = "The API keys of this router are not read yet."
        return Refused(message, code="not_ready", retry_after_s=1, close=close)
    if refusal is Refusal.FOREIGN_PAGE:
        return BadRequest(_MESSAGES[refusal], status=403, code="foreign_page", close=close)
    return BadRequest(_MESSAGES[refusal], status=401, code="invalid_api_key", close=close)


def no_such_model(caller: Caller, model: str, names: "Collection[str]") -> BadRequest:
    """
    For a model that this caller has not; `names` are those it has.

    One whose key is limited gets 403 whether the model exists or not, so that it learns nothing of
    the others; one who may use everything gets 404.
    """
    more = f" and {len(names) - _NAMED_MODELS} more" if len(names) > _NAMED_MODELS else ""
    available = ", ".join(sorted(names)[:_NAMED_MODELS]) + more if names else "none"
    limited = caller.policies is not None
    reason = "does not exist, or the API key may not use it" if limited else "does not exist"
    return BadRequest(
        f"The model `{model[:200]}` {reason}. Available: {available}.",
        status=403 if limited else 404,
        code="model_not_found",
        param="model",
    )


def models_of(plane: "Plane", caller: Caller) -> list[str]:
    """Names that this caller may put in `model`, sorted."""
    by_model = plane.live.table.by_model
    return sorted(name for name, policy in by_model.items() if caller.may_use(policy.name))
