"""PURE: one request as a ledger has it, for a person and for a program."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from pointsman.events.schema import Request
from pointsman.ledger.summary import money


def as_json(event: Request) -> dict[str, Any]:
    """The event as plain values."""
    found: dict[str, Any] = msgspec.to_builtins(event)
    return found


def as_text(event: Request) -> str:
    """What was decided and why, who was left out, what became of it, what it cost."""
    at = f"{datetime.fromtimestamp(event.at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    who = " ".join(part for part in (event.caller, event.team and f"of {event.team}") if part)
    lines = [
        f"decision  {event.decision}, {at}{f', by {who}' if who else ''}",
        f"backend   {_answered(event)}",
        f"then      {', '.join(event.candidates[1:]) or 'no fallback'}",
        f"rule      {event.rule}",
        f"policy    {event.policy}, revision {event.revision}",
        f"task      {_task(event)}",
        f"language  {event.language or 'und'}, about {event.context_tokens:,} prompt tokens",
        *([f"class     {event.data_class}"] if event.data_class else []),
        f"tokens    {_tokens(event)}",
        f"cost      {money(event.cost_nano, event.currency)}{_baseline(event)}",
        f"time      {_time(event)}",
    ]
    why = [*_why(event)]
    return "\n".join([*lines, *(["why", *(f"  {line}" for line in why)] if why else [])])


def _answered(event: Request) -> str:
    backend = event.backend or "none"
    model = f" ({event.model})" if event.model else ""
    return f"{backend}{model}, status {event.status}, {event.outcome}"


def _task(event: Request) -> str:
    if not event.task:
        return "undecided"
    complexity = getattr(event, "complexity", "")
    also = f", {complexity}" if complexity else ""
    return f"{event.task}, confidence {event.confidence:.2f}{also}"


def _tokens(event: Request) -> str:
    estimated = " (estimated)" if event.estimated else ""
    return f"{event.input_tokens:,} in, {event.output_tokens:,} out{estimated}"


def _baseline(event: Request) -> str:
    if not event.baseline_nano:
        return ""
    return f"; the baseline would have cost {money(event.baseline_nano, event.currency)}"


def _time(event: Request) -> str:
    parts = [f"{event.duration_us / 1e6:.2f} s"]
    if event.first_token_us:
        parts.append(f"first token after {event.first_token_us / 1e6:.2f} s")
    if event.held_us:
        parts.append(f"waited {event.held_us / 1e6:.2f} s for a server")
    parts.append(f"{event.overhead_us / 1000:.2f} ms in the router")
    return ", ".join(parts)


def _why(event: Request) -> Iterator[str]:
    yield from event.evidence
    having = [name for name in ("tools", "images") if getattr(event, name)]
    if having and not any(fact.startswith("with ") for fact in event.evidence):
        yield f"with {' and '.join(having)}"
    for one in event.skipped:
        yield f"backend {one.backend}: left out, {one.reason}"
    for one in event.left:
        yield f"backend {one.backend}: tried and left, {one.reason}"
    choice = getattr(event, "choice", None)
    if choice is not None:
        yield from choice.words()
