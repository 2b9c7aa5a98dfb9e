"""Conditions that few rules have: what is not worth a place in the loop that every request runs.

Pure, like all of routing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pointsman.api.expressions import Inputs, inputs_of
from pointsman.routing.compiled import FurtherMatch
from pointsman.routing.facts import RequestFacts


def fails_further(match: FurtherMatch, facts: RequestFacts) -> tuple[str, str] | None:
    """None if it holds, otherwise the first condition that does not: (field, what it is)."""
    analysis = facts.analysis
    turns, most = analysis.turns, match.max_turns
    if match.complexities and analysis.complexity not in match.complexities:
        return (
            "complexity",
            f"{analysis.complexity}, not {' or '.join(sorted(match.complexities))}",
        )
    if match.domains and analysis.domain not in match.domains:
        return ("domain", f"{analysis.domain}, not {_any_of(match.domains)}")
    if turns < match.min_turns or (most is not None and turns > most):
        return ("turns", f"{turns}, not {match.min_turns} to {'any' if most is None else most}")
    for field, wanted, found in (
        ("tools", match.tools, facts.tools),
        ("images", match.images, facts.images),
        ("JSON mode", match.json_mode, analysis.json_mode),
    ):
        if wanted is not None and wanted is not found:
            return (field, "there" if found else "not there")
    return None


def _any_of(values: Iterable[str]) -> str:
    return " or ".join(sorted(values))


_READ: Final[Mapping[str, Callable[[RequestFacts], object]]] = {
    "request.task": lambda f: str(f.analysis.task) if f.analysis.decided else "",
    "request.complexity": lambda f: str(f.analysis.complexity),
    "request.domain": lambda f: str(f.analysis.domain),
    "request.language": lambda f: f.analysis.language,
    "request.confidence": lambda f: float(f.analysis.confidence),
    "request.contextTokens": lambda f: f.analysis.context_tokens,
    "request.maxOutputTokens": lambda f: f.max_output_tokens,
    "request.turns": lambda f: f.analysis.turns,
    "request.tools": lambda f: f.tools,
    "request.images": lambda f: f.images,
    "request.jsonMode": lambda f: f.analysis.json_mode,
    "request.headers": lambda f: f.headers,
    "request.metadata": lambda f: f.metadata,
    "request.caller": lambda f: f.caller,
    "request.team": lambda f: f.team,
}


def inputs_for(facts: RequestFacts, names: Iterable[str]) -> Inputs:
    """These variables of one request; `names` are of expressions.VARIABLES."""
    return inputs_of({name: _READ[name](facts) for name in names})
