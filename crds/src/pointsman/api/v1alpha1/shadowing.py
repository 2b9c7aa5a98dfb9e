"""Whether a rule can ever match, judged by the rules alone.

Pure. `covers` may miss a rule that never matches (it compares two rules, never the union of
several), but what it reports is so for every request.
"""

from collections.abc import Sequence

from pointsman.api.v1alpha1.routingpolicy import ContextTokens, HeaderMatch, Match


def covers(earlier: Match, later: Match) -> bool:
    """Whether every request that `later` matches is matched by `earlier` too."""
    return (
        _lists_cover(earlier.task, later.task)
        and _lists_cover(earlier.language, later.language)
        and _tokens_cover(earlier.context_tokens, later.context_tokens)
        and all(any(_header_covers(e, h) for h in later.headers) for e in earlier.headers)
        and earlier.metadata.items() <= later.metadata.items()
    )


def contradicts_itself(match: Match) -> str:
    """Why no request can satisfy all of it; empty if one can."""
    for i, one in enumerate(match.headers):
        for other in match.headers[:i]:
            if one.name.lower() == other.name.lower() and not _together(one, other):
                return f"header {one.name.lower()} cannot be {other.value!r} and {one.value!r}"
    return ""


def _lists_cover(earlier: Sequence[str], later: Sequence[str]) -> bool:
    return not earlier or (bool(later) and set(later) <= set(earlier))


def _tokens_cover(earlier: ContextTokens | None, later: ContextTokens | None) -> bool:
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
