"""The last layer: what a request was, in numbers.

Guarantees one count for each request that was read, with the status the client got (499: it left
before an answer). Tokens a backend did not state are estimated, and marked so.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

MOST_TOKENS: Final = 10**9
"""A thousand times the largest context windows. A backend that states more says nothing, and
numbers beyond any float would end the request's accounting, and every scrape after it."""


def account(exchange: "Exchange", code: int, now_s: float) -> None:
    """Count an exchange that is over."""
    metrics = exchange.plane.metrics
    series = exchange.track.route if exchange.track is not None else metrics.unrouted
    series.answered(code)
    series.duration.observe(now_s - exchange.received_s)
    team = metrics.team(exchange.caller.team) if exchange.caller.name else None
    if team is not None:
        team.answered(code)
    if exchange.committed:
        metrics.overhead.observe(exchange.overhead_s)
        if exchange.streamed:
            series.first_token.observe(exchange.committed_s - exchange.received_s)
    usage = exchange.usage
    track = exchange.track
    if usage is None or track is None or track.backend is None:
        return
    backend = track.backend
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if max(prompt, completion) > MOST_TOKENS:
        exchange.usage = None
        return
    backend.tokens.used(prompt, completion, estimated=usage.estimated)
    if team is not None:
        team.tokens.used(prompt, completion, estimated=usage.estimated)
    tariff, baseline = track.tariff, track.baseline
    if tariff.free and baseline is None:
        return
    came_s = exchange.plane.wall() - (now_s - exchange.received_s)
    tokens, parts = (prompt, completion), (usage.cached_tokens, usage.reasoning_tokens)
    exchange.cost_nano = nano = tariff.cost_nano(tokens, parts, came_s)
    if nano:
        currency = tariff.currency
        backend.cost_nano[currency] = backend.cost_nano.get(currency, 0) + nano
    if baseline is not None:
        exchange.baseline_nano = baseline.cost_nano(tokens, parts, came_s)
