"""Which backends answer a request, in which order, and why.

Deterministic in its arguments: `dice` chooses among weighted targets. A backend that lacks a
capability, or whose context window the request does not fit, is skipped with a reason.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from pointsman.analysis import Analysis
from pointsman.api.table import Backend
from pointsman.routing.compiled import CompiledMatch, CompiledPolicy, CompiledRoute


class RequestFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What rules may look at; header names are in lower case, tokens are estimated."""

    analysis: Analysis
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    max_output_tokens: int = 0
    tools: bool = False
    images: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A backend of the route that cannot take this request."""

    backend: str
    reason: str
    context_window: bool = False
    """True if the request is too long for it, rather than of the wrong kind."""
    ahead: bool = False
    """True if it stands before every candidate, which makes it the one that was left."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Candidates in the order of trying; the first is the target, the rest the fallback chain."""

    policy: CompiledPolicy
    route: CompiledRoute
    candidates: tuple[Backend, ...]
    skipped: tuple[Skipped, ...] = ()
    evidence: tuple[str, ...] = ()


def _fails(  # noqa: PLR0911 - a table
    match: CompiledMatch, facts: RequestFacts
) -> tuple[str, str] | None:
    """None if the match holds, otherwise the first condition that does not: (field, name)."""
    analysis = facts.analysis
    if match.tasks and not (analysis.decided and analysis.task in match.tasks):
        return ("task", "")
    if match.languages and analysis.language not in match.languages:
        return ("language", "")
    if analysis.context_tokens < match.min_tokens:
        return ("min_tokens", "")
    if match.max_tokens is not None and analysis.context_tokens > match.max_tokens:
        return ("max_tokens", "")
    for name, value, prefix in match.headers:
        got = facts.headers.get(name)
        if got is None or not (got.startswith(value) if prefix else got == value):
            return ("header", name)
    for name, value in match.metadata:
        if facts.metadata.get(name) != value:
            return ("metadata", name)
    return None


def _told(failed: tuple[str, str], match: CompiledMatch, analysis: Analysis) -> str:
    """What `_fails` found, in words: only for those who ask, since it costs as much as deciding."""
    field, name = failed
    if field == "task":
        task = analysis.task if analysis.decided else "undecided"
        return f"task {task} is not in {', '.join(sorted(match.tasks))}"
    if field == "language":
        return f"language {analysis.language} is not in {', '.join(sorted(match.languages))}"
    if field == "min_tokens":
        return f"{analysis.context_tokens:,} tokens < {match.min_tokens:,}"
    if field == "max_tokens":
        return f"{analysis.context_tokens:,} tokens > {match.max_tokens:,}"
    return f"{field} {name} does not match"


def lacks(backend: Backend, facts: RequestFacts) -> str:
    """The capability that the request needs and the backend lacks; empty if none."""
    if facts.tools and "Tools" not in backend.capabilities:
        return "it lacks the capability Tools"
    if facts.images and "Vision" not in backend.capabilities:
        return "it lacks the capability Vision"
    return ""


def overflows(backend: Backend, facts: RequestFacts) -> str:
    """Why prompt and answer do not fit the context window; empty if they do."""
    window = backend.context_window
    needed = facts.analysis.context_tokens + facts.max_output_tokens
    if window is None or needed <= window:
        return ""
    return f"{needed:,} tokens do not fit its context window of {window:,}"


def _choose(route: CompiledRoute, dice: float) -> tuple[Backend, ...]:
    """Of several targets the one whose share holds `dice` in [0, 1), and its chain."""
    return route.orders[bisect_right(route.bounds, int(dice * route.bounds[-1]))]


def _able(
    route: CompiledRoute, order: tuple[Backend, ...], facts: RequestFacts
) -> tuple[tuple[Backend, ...], tuple[Skipped, ...]]:
    """Those that can take the request, and why the others cannot."""
    candidates: list[Backend] = []
    skipped: list[Skipped] = []
    for backend in order:
        lack, over = lacks(backend, facts), overflows(backend, facts)
        if lack or over:
            skipped.append(Skipped(backend.name, lack or over, not lack, ahead=not candidates))
            if over and not lack and not route.on_context_window:
                break
        else:
            candidates.append(backend)
    return tuple(candidates), tuple(skipped)


def decide(
    policy: CompiledPolicy, facts: RequestFacts, *, dice: float, explain: bool = False
) -> Decision:
    """
    The first route whose match holds, its target by weight, then its chain.

    `dice` is in [0, 1). With `explain` the evidence says of every route why it was not taken;
    without, none is built. No candidates: every backend of the route was skipped.
    """
    evidence: list[str] = []
    chosen = policy.routes[-1]
    for route in policy.routes[:-1]:
        if route.match is None:
            continue
        failed = _fails(route.match, facts)
        if failed is None:
            chosen = route
            break
        if explain:
            why_not = _told(failed, route.match, facts.analysis)
            evidence.append(f"rule {route.route.name}: {why_not}")
    order = chosen.orders[0] if len(chosen.orders) == 1 else _choose(chosen, dice)
    needed = facts.analysis.context_tokens + facts.max_output_tokens
    if needed <= chosen.window and not (facts.tools or facts.images or explain):
        return Decision(policy, chosen, order)
    candidates, skipped = _able(chosen, order, facts)
    if explain:
        evidence.append(f"rule {chosen.route.name}: taken")
        evidence.extend(f"backend {skip.backend}: skipped, {skip.reason}" for skip in skipped)
    return Decision(policy, chosen, candidates, skipped, tuple(evidence))
