"""Which rules can never match, because an earlier one takes everything they would."""

from collections.abc import Collection

from pointsman.api.conditions import Reason
from pointsman.api.v1alpha1 import HeaderMatch, Match, RoutingPolicySpec
from pointsman.api.validation import Problem


def _covers_values(earlier: Collection[str], later: Collection[str]) -> bool:
    return not earlier or (bool(later) and set(later) <= set(earlier))


def _covers_tokens(earlier: Match, later: Match) -> bool:
    if earlier.context_tokens is None:
        return True
    low, high = earlier.context_tokens.min or 0, earlier.context_tokens.max
    inner = later.context_tokens
    inner_low = (inner.min or 0) if inner else 0
    inner_high = inner.max if inner else None
    return low <= inner_low and (high is None or (inner_high is not None and inner_high <= high))


def _implies(later: HeaderMatch, earlier: HeaderMatch) -> bool:
    if later.name.lower() != earlier.name.lower():
        return False
    if earlier.type == "Prefix":
        return later.value.startswith(earlier.value)
    return later.type == "Exact" and later.value == earlier.value


def covers(earlier: Match, later: Match) -> bool:
    """True if every request that `later` matches is matched by `earlier` too."""
    return (
        _covers_values(earlier.task, later.task)
        and _covers_values(earlier.language, later.language)
        and _covers_tokens(earlier, later)
        and all(any(_implies(inner, outer) for inner in later.headers) for outer in earlier.headers)
        and earlier.metadata.items() <= later.metadata.items()
    )


def never_matching(spec: RoutingPolicySpec) -> tuple[Problem, ...]:
    """One warning for each rule that an earlier rule hides."""
    warnings = []
    for index, rule in enumerate(spec.rules_):
        hiding = next((r for r in spec.rules_[:index] if covers(r.match, rule.match)), None)
        if hiding is not None:
            warnings.append(
                Problem(
                    path=f"spec.rules[{index}]",
                    message=f'rule "{rule.name}" can never match: rule "{hiding.name}" before it '
                    "matches everything that it would",
                    reason=Reason.RULE_NEVER_MATCHES,
                )
            )
    return tuple(warnings)
