"""Which backends answer a request, in which order, and why.

Deterministic in its arguments: `dice` chooses among weighted targets, of those that can take the
request. A backend that lacks a capability, whose context window the request does not fit, or that
may cost more than the route allows, is skipped with a reason.
"""

from bisect import bisect_right
from itertools import accumulate, pairwise

from pointsman.analysis.tokens import MOST_OVER, of_family
from pointsman.api.table import Backend
from pointsman.routing.cap import too_dear
from pointsman.routing.chooser import may_be_chosen
from pointsman.routing.compiled import CompiledMatch, CompiledPolicy, CompiledRoute
from pointsman.routing.decision import Decision, Skipped
from pointsman.routing.facts import RequestFacts
from pointsman.routing.further import fails_further, inputs_for


def _fails(  # noqa: PLR0911 - a table
    match: CompiledMatch, facts: RequestFacts
) -> tuple[str, str] | None:
    """None if the match holds, otherwise the first condition that does not: (field, name)."""
    analysis = facts.analysis
    if match.tasks and not (analysis.decided and analysis.task in match.tasks):
        return ("task", "")
    if match.languages and analysis.language not in match.languages:
        return ("language", "")
    if match.min_tokens and analysis.context_tokens < match.min_tokens:
        return ("min_tokens", "")
    if match.max_tokens is not None and analysis.context_tokens > match.max_tokens:
        return ("max_tokens", "")
    if match.headers:
        headers = facts.headers
        for name, value, prefix in match.headers:
            got = headers.get(name)
            if got is None or not (got.startswith(value) if prefix else got == value):
                return ("header", name)
    for name, value in match.metadata:
        if facts.metadata.get(name) != value:
            return ("metadata", name)
    if match.further is not None:
        return fails_further(match.further, facts)
    return None


def _told(failed: tuple[str, str], match: CompiledMatch, facts: RequestFacts) -> str:
    """What `_fails` found, in words: only for those who ask, since it costs as much as deciding."""
    field, name = failed
    analysis = facts.analysis
    tokens = f"{analysis.context_tokens:,} tokens"
    task = analysis.task if analysis.decided else "undecided"
    told = {
        "task": f"task {task} is not in {', '.join(sorted(match.tasks))}",
        "language": f"language {analysis.language} is not in {', '.join(sorted(match.languages))}",
        "min_tokens": f"{tokens} < {match.min_tokens:,}",
        "max_tokens": f"{tokens} > {match.max_tokens or 0:,}",
        "header": f"header {name} does not match",
        "metadata": f"metadata {name} does not match",
        "expression": f"its expression could not be told: {name}"
        if name
        else "its expression is false",
    }
    return told.get(field) or f"{field} is {name}"


def _why_not(
    route: CompiledRoute, match: CompiledMatch, failed: tuple[str, str], facts: RequestFacts
) -> str:
    which = f"matches[{route.ways.index(match)}]: " if len(route.ways) > 1 else ""
    return f"rule {route.route.name}: {which}{_told(failed, match, facts)}"


def lacks(backend: Backend, facts: RequestFacts) -> str:
    """The capability that the request needs and the backend lacks; empty if none."""
    if facts.tools and "Tools" not in backend.capabilities:
        return "it lacks the capability Tools"
    if facts.images and "Vision" not in backend.capabilities:
        return "it lacks the capability Vision"
    return ""


def overflows(backend: Backend, facts: RequestFacts) -> str:
    """Why prompt and answer do not fit the context window; empty if they do."""
    window, analysis = backend.context_window, facts.analysis
    if window is None:
        return ""
    # The general estimate is for rules; a window is counted in the tokens of its own vocabulary.
    tokens = of_family(backend.family, backend.model, analysis.context_tokens, analysis.token_mix)
    profile, output = backend.profile, facts.max_output_tokens
    if profile is not None:
        tokens += profile.text_tokens
        output = profile.output_tokens(output)
    if tokens + output <= window:
        return ""
    answer = f" and {output:,} for the answer" if output else ""
    return f"{tokens:,} tokens{answer} do not fit its context window of {window:,}"


def _choose(route: CompiledRoute, dice: float) -> tuple[Backend, ...]:
    """Of several targets the one whose share holds `dice` in [0, 1), and its chain."""
    return route.orders[bisect_right(route.bounds, int(dice * route.bounds[-1]))]


def _choose_able(
    route: CompiledRoute, dice: float, facts: RequestFacts
) -> tuple[tuple[Backend, ...], tuple[Skipped, ...]]:
    """The same of targets that can take the request, and why others cannot; of all if none can."""
    found = [_able(route, order[:1], facts) for order in route.orders]
    shares = [after - before for before, after in pairwise((0, *route.bounds))]
    bounds = [*accumulate(w if f[0] else 0 for w, f in zip(shares, found, strict=True))]
    if not bounds[-1]:
        return _choose(route, dice), ()
    order = route.orders[bisect_right(bounds, int(dice * bounds[-1]))]
    chain = {backend.name for backend in order}  # of which is told as ever
    return order, tuple(
        Skipped(skip.backend, skip.reason, skip.context_window, dear=skip.dear)
        for _, skipped in found
        for skip in skipped
        if skip.backend not in chain
    )


def _able(
    route: CompiledRoute, order: tuple[Backend, ...], facts: RequestFacts
) -> tuple[tuple[Backend, ...], tuple[Skipped, ...]]:
    """Those that can take the request, and why the others cannot."""
    candidates: list[Backend] = []
    skipped: list[Skipped] = []
    cap = route.cap
    for backend in order:
        lack, over = lacks(backend, facts), overflows(backend, facts)
        dear = "" if cap is None or lack or over else too_dear(backend, cap, facts)
        if dear:
            skipped.append(Skipped(backend.name, dear, ahead=not candidates, dear=True))
        elif lack or over:
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
    The first route one of whose matches holds, its target by weight, then its chain.

    `dice` is in [0, 1). With `explain` the evidence says of every route why it was not taken;
    without, none is built. No candidates: every backend of the route was skipped.
    """
    evidence: list[str] = []
    undetermined: tuple[str, ...] = ()
    chosen = policy.routes[-1]
    inputs = None
    for route, match in policy.tries:
        failed = _fails(match, facts)
        if failed is None and match.expression is not None:
            inputs = inputs or inputs_for(facts, policy.expressions_read)
            held, error = match.expression.evaluate(inputs)
            failed = None if held else ("expression", error)
            if error:
                undetermined += (route.route.name,)
        if failed is None:
            chosen = route
            break
        if explain:
            evidence.append(_why_not(route, match, failed, facts))
    order = chosen.orders[0] if len(chosen.orders) == 1 else _choose(chosen, dice)
    # Whole numbers: a float has no room for what a caller may write as the length of an answer.
    needed = int(facts.analysis.context_tokens * MOST_OVER) + 1 + facts.max_output_tokens
    if (
        needed <= chosen.window
        and chosen.cap is None
        and not (facts.tools or facts.images or explain or undetermined)
    ):
        return Decision(policy, chosen, order)
    passed: tuple[Skipped, ...] = ()
    if len(chosen.orders) > 1:
        order, passed = _choose_able(chosen, dice, facts)
    candidates, skipped = _able(chosen, order, facts)
    skipped += passed
    if explain:
        evidence.append(f"rule {chosen.route.name}: taken")
        left = chosen.route.left_out.items()
        evidence.extend(f"backend {name}: left out, {why}" for name, why in left)
        evidence.extend(f"backend {skip.backend}: skipped, {skip.reason}" for skip in skipped)
    return Decision(policy, chosen, candidates, skipped, tuple(evidence), undetermined)


def first_choices(decision: Decision, facts: RequestFacts) -> tuple[Backend, ...]:
    """
    The backends that may be the first candidate of this route; each is named once.

    By dice, or by a predictor that chooses, whatever it has learned by now.
    """
    orders = decision.route.orders
    able = [(order, _able(decision.route, order, facts)[0]) for order in orders]
    targets = [one for order, one in able if one and one[0] is order[0]]
    found = {one[0].name: one[0] for one in targets or [one for _, one in able] if one}
    for backend in may_be_chosen(decision.policy.chooser, decision.route.route.name):
        cap = decision.route.cap
        dear = cap is not None and too_dear(backend, cap, facts)
        if not (lacks(backend, facts) or overflows(backend, facts) or dear):
            found[backend.name] = backend
    return tuple(found.values())
