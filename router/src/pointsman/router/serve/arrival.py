"""The layers between authentication and the network: read, resolve, analyze, decide.

Guarantees that each either fills in its part of the exchange or raises a Problem that says what the
caller can change. Refuses to touch the network: these run without a wait.
"""

from typing import TYPE_CHECKING, Final, cast

from msgspec import structs

from pointsman.analysis import Analysis, Task
from pointsman.analysis import analyze as analyze_text
from pointsman.router.errors import BadRequest, Refused, going_away
from pointsman.router.serve import arms, choosing
from pointsman.router.serve.authenticate import models_of, no_such_model
from pointsman.router.wire.choices import choices
from pointsman.router.wire.headers import as_texts
from pointsman.router.wire.members import check_members
from pointsman.router.wire.received import MOST_HOPS
from pointsman.router.wire.shape import FEW_CONTAINERS, MANY_BYTES, check_shape
from pointsman.routing import Decision, RequestFacts, Skipped
from pointsman.routing import decide as decide_route

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.translated import TranslatedExchange

MAX_COST: Final = "MaxCost"
"""Reason of a backend that would cost more than its route allows."""
_NO_HEADERS: Final[dict[str, str]] = {}
_BYTES_A_TOKEN: Final = 4
_SMALL_BYTES: Final = 65_536
_MOST_TOKENS_A_BYTE: Final = 4
"""A message of one letter is 30 bytes of JSON and 5 tokens; the analysis never estimates more."""


def read(exchange: "Exchange") -> None:
    """The body: what is asked for."""
    request = exchange.request
    if request.head.compressed:
        raise BadRequest("Compressed bodies are not read.", status=415)
    if request.head.hops == MOST_HOPS:
        message = f"The request has passed {MOST_HOPS} routers: a model leads back to one of them."
        # 400 and not 508: each router on the way back hands it on, and none tries again.
        raise BadRequest(message, code="loop_detected")
    body = request.body
    if len(body) <= _SMALL_BYTES:
        # Here, for most bodies need no more: a call would be one for each request. What is left
        # out is looked for by memchr, which is quicker by far where there are few of them.
        arrays = len(body) - len(body.replace(b"[", b""))
        exchange.flat = arrays < 2
        if arrays + len(body) - len(body.replace(b"{", b"")) > FEW_CONTAINERS:
            check_shape(body)
    elif len(body) > MANY_BYTES or body.count(b"{") + body.count(b"[") > FEW_CONTAINERS:
        check_shape(body)
    if exchange.translated:
        exchange.flat = False  # the chat that it becomes may have more
        cast("TranslatedExchange", exchange).read()
        return
    exchange.asked = exchange.operation.read(body)
    check_members(body)


def resolve(exchange: "Exchange") -> None:
    """The policy that answers for the model name, if the caller may use it."""
    plane = exchange.plane
    live, model, caller = plane.live, exchange.asked.model, exchange.caller
    if plane.refusing and not exchange.client.admitted:
        raise going_away()
    if not live.ready:
        raise Refused("No routing table is in force yet.", code="not_ready", retry_after_s=1)
    policy = live.table.by_model.get(model)
    if policy is None or not caller.may_use(policy.name):
        raise no_such_model(caller, model, models_of(plane, caller))
    exchange.policy = policy
    if live.table.canaries:
        arms.take(exchange)
    if (
        exchange.policy.governance is not None
        or caller.data_rank
        or exchange.request.head.data_class is not None
    ):
        from pointsman.router.serve import governing  # noqa: PLC0415 - few policies ask for it

        governing.govern(exchange)


def analyze(exchange: "Exchange") -> None:
    """
    Task, language and size of the prompt.

    Where no rule looks at them, and the body fits every window even at the worst rate, its size is
    enough: reading a text costs more than all the rest of a request. What the ledger wants to know
    of it is read when the caller has its answer.
    """
    asked, body, policy = exchange.asked, exchange.request.body, exchange.policy
    most = len(body) * _MOST_TOKENS_A_BYTE + asked.max_output_tokens
    blind = not (policy.reads_text or exchange.debug)
    if blind and most <= policy.window and (exchange.flat or b"image" not in body):
        tokens = len(body) // _BYTES_A_TOKEN
        exchange.analysis = Analysis(Task.CHAT, False, "und", tokens, 0.0, ())
        exchange.unread = exchange.plane.record is not None
        return
    _read_text(exchange)


def read_late(exchange: "Exchange") -> None:
    """The analysis that `analyze` left out."""
    if exchange.unread:
        exchange.unread = False
        _read_text(exchange)


def _read_text(exchange: "Exchange") -> None:
    prompt, policy = exchange.asked.prompt(), exchange.policy
    exchange.images = prompt.images > 0
    analysis = analyze_text(prompt) if policy.chooser is None else choosing.read(exchange, prompt)
    exchange.analysis = analysis
    exchange.plane.metrics.analyzed(analysis.task, analysis.decided)


def decide(exchange: "Exchange") -> None:
    """The candidates, in order."""
    asked, policy, head = exchange.asked, exchange.policy, exchange.request.head
    headers = head.texts
    if headers is None:
        headers = _NO_HEADERS
        if policy.reads_headers:
            headers = head.texts = as_texts(head.headers)
    facts = RequestFacts(
        analysis=exchange.analysis,
        headers=headers,
        metadata=asked.metadata,
        max_output_tokens=asked.max_output_tokens,
        tools=asked.tools,
        images=exchange.images,
    )
    if policy.expressions_read:
        caller = exchange.caller
        facts = structs.replace(facts, caller=caller.name, team=caller.team)
    if policy.capped:
        facts = with_cost(exchange, facts)
    decision = decide_route(policy, facts, dice=exchange.plane.dice())
    for rule in decision.undetermined:
        exchange.plane.metrics.not_told(policy.name, rule)
    if policy.chooser is not None:
        decision = choosing.choose(exchange, decision, facts)
    exchange.route_taken(decision)
    if decision.skipped:
        exchange.passed = tuple(
            (skip.backend, _why_passed(skip)) for skip in decision.skipped if skip.ahead
        )
    if policy.review is not None:
        from pointsman.router.serve.review import layer  # noqa: PLC0415 - few policies ask for it

        layer.review(exchange)
    if not exchange.candidates:
        if decision.route.route.left_out and not decision.skipped:
            from pointsman.router.serve import governing  # noqa: PLC0415

            raise governing.none_left(exchange, decision.route)
        raise none_can(decision, exchange.operation.text)


def with_cost(exchange: "Exchange", facts: RequestFacts) -> RequestFacts:
    """The same with what a cost cap asks besides."""
    answers = choices(exchange.request.body) if exchange.operation.generates else 0
    return structs.replace(facts, answers=answers, now_s=exchange.plane.wall())


def _why_passed(skip: Skipped) -> str:
    if skip.dear:
        return MAX_COST
    return "ContextWindow" if skip.context_window else "Capability"


def none_can(decision: Decision, param: str) -> BadRequest | Refused:
    """Why no backend of the route can take the request."""
    if not decision.skipped:
        rule = decision.route.route.name
        return Refused(f"Rule {rule} has no backend.", code="no_backend", retry_after_s=5)
    tried = "; ".join(f"{skip.backend}: {skip.reason}" for skip in decision.skipped)
    if any(skip.context_window for skip in decision.skipped):
        # "prompt is too long" is what LiteLLM and agents look for before they shorten or fall back.
        return BadRequest(
            f"The prompt is too long for every backend it may go to: {tried}.",
            code="context_length_exceeded",
            param=param,
        )
    if any(skip.dear for skip in decision.skipped):
        return BadRequest(
            f"The request may cost more than its policy allows: {tried}."
            " A smaller max_tokens helps.",
            code="max_cost_exceeded",
        )
    return BadRequest(
        f"No backend that the request may go to can do what it asks for: {tried}."
        " What a backend can is in its spec.capabilities.",
        code="unsupported_capability",
    )
