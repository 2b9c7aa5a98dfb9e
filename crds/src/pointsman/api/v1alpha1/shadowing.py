"""Which rules can never match, judged by the policy alone.

Pure. `never_matching` may miss one (it compares two matches, never the union of several, and takes
expressions as equal only if their texts are), but what it reports is so for every request.
"""

from collections.abc import Iterator, Sequence

from pointsman.api.conditions import Reason
from pointsman.api.tasks import LONG_CONTEXT_TOKENS, Complexity, Domain, Task
from pointsman.api.v1alpha1.match import HeaderMatch, Match, Range
from pointsman.api.v1alpha1.routingpolicy import RoutingPolicySpec
from pointsman.api.validation import Problem


def never_matching(spec: RoutingPolicySpec) -> tuple[Problem, ...]:
    """A warning for each rule that no request reaches, and for each of `matches` that none does."""
    return tuple(_warnings(spec))


def _warnings(spec: RoutingPolicySpec) -> Iterator[Problem]:
    earlier: list[tuple[str, Match]] = []
    for i, rule in enumerate(spec.rules_):
        ways = rule.ways()
        why = [contradicts_itself(way) or _taken(earlier, way) for way in ways]
        path = f"spec.rules[{i}].match"
        if all(why):
            told = "; ".join(dict.fromkeys(why))
            yield _warning(path if rule.match else f"{path}es", f"rule {rule.name}", told)
        else:
            for j, reason in enumerate(why):
                if reason:
                    yield _warning(f"{path}es[{j}]", f"this one of rule {rule.name}", reason)
        earlier += ((rule.name, way) for way in ways)


def _warning(path: str, what: str, why: str) -> Problem:
    return Problem(path, f"{what} can never match: {why}", Reason.RULE_NEVER_MATCHES)


def _taken(earlier: Sequence[tuple[str, Match]], later: Match) -> str:
    name = next((name for name, match in earlier if covers(match, later)), "")
    return f"rule {name} matches all of it before" if name else ""


def covers(earlier: Match, later: Match) -> bool:
    """Whether every request that `later` matches is matched by `earlier` too."""
    return (
        _lists_cover(earlier.task, later.task)
        and _lists_cover(earlier.complexity, later.complexity, every=len(Complexity))
        and _lists_cover(earlier.domain, later.domain, every=len(Domain))
        and _lists_cover(earlier.language, later.language)
        and _ranges_cover(earlier.context_tokens, later.context_tokens)
        and _ranges_cover(earlier.turns, later.turns)
        and earlier.tools in (None, later.tools)
        and earlier.images in (None, later.images)
        and earlier.json_mode in (None, later.json_mode)
        and all(any(_header_covers(e, h) for h in later.headers) for e in earlier.headers)
        and earlier.metadata.items() <= later.metadata.items()
        and earlier.expression in (None, later.expression)
    )


def contradicts_itself(match: Match) -> str:
    """Why no request can satisfy all of it; empty if one can."""
    for i, one in enumerate(match.headers):
        for other in match.headers[:i]:
            if one.name.lower() == other.name.lower() and not _together(one, other):
                return f"header {one.name.lower()} cannot be {other.value!r} and {one.value!r}"
    return _length_and_task(match)


def _length_and_task(match: Match) -> str:
    """LongContext goes before all other tasks, by the length alone."""
    tokens, long = match.context_tokens, Task.LONG_CONTEXT in match.task
    if not match.task or tokens is None:
        return ""
    if not long and tokens.min is not None and tokens.min >= LONG_CONTEXT_TOKENS:
        return f"from {LONG_CONTEXT_TOKENS:,} tokens on, the task is LongContext"
    shorter = tokens.max is not None and tokens.max < LONG_CONTEXT_TOKENS
    if shorter and set(match.task) == {Task.LONG_CONTEXT}:
        return f"LongContext is a prompt of {LONG_CONTEXT_TOKENS:,} tokens or more"
    return ""


def _lists_cover(earlier: Sequence[str], later: Sequence[str], every: int = 0) -> bool:
    """`every`: a list of so many values asks for nothing. Of tasks there is none: undecided."""
    if not earlier or (every and len(set(earlier)) == every):
        return True
    return bool(later) and set(later) <= set(earlier)


def _ranges_cover(earlier: Range | None, later: Range | None) -> bool:
    if earlier is None:
        return True
    if later is None:
        return (earlier.min or 0) == 0 and earlier.max is None
    low = (later.min or 0) >= (earlier.min or 0)
    high = earlier.max is None or (later.max is not None and later.max <= earlier.max)
    return low and high


def _header_covers(earlier: HeaderMatch, later: HeaderMatch) -> bool:
    if earlier.name.lower() != later.name.lower():
        return False
    if earlier.type == "Prefix":
        return later.value.startswith(earlier.value)
    return later.type == "Exact" and later.value == earlier.value


def _together(one: HeaderMatch, other: HeaderMatch) -> bool:
    """Whether one value of the header can satisfy both."""
    if one.type == "Exact" and other.type == "Exact":
        return one.value == other.value
    if one.type == "Exact":
        return one.value.startswith(other.value)
    if other.type == "Exact":
        return other.value.startswith(one.value)
    return one.value.startswith(other.value) or other.value.startswith(one.value)
