"""PURE: a policy's last requests, as far as its routing can be decided again: rows and facts.

Guarantees that what was not kept of a request (headers, metadata, texts, turns) is not made up:
who decides by these facts has to know that it is missing.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from pointsman.analysis import Analysis
from pointsman.api.tasks import Complexity, Domain, Task
from pointsman.events.schema import Request
from pointsman.ledger.rows import Row, json_of
from pointsman.routing import RequestFacts

USUAL: Final = 2_000
MOST: Final = 10_000
"""In one answer: about 4 MB."""
COLUMNS: Final = (
    "decision", "at_ms", "revision", "rule", "caller", "team", "task", "complexity", "domain",
    "language", "confidence", "context_tokens", "tools", "images", "candidates", "input_tokens",
    "output_tokens", "cached_tokens", "reasoning_tokens",
)  # fmt: skip
_NAMED: Final[dict[str, type[StrEnum]]] = {"complexity": Complexity, "domain": Domain}
"""What later versions of an event may hold of the analysis."""
_TASKS: Final = frozenset(str(one) for one in Task)


class Recorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One row, as it is told; the fields mean what those of the event do."""

    decision: str
    at_ms: int
    revision: str
    rule: str
    caller: str = ""
    team: str = ""
    task: str = ""
    complexity: str = ""
    domain: str = ""
    language: str = ""
    confidence: float = 0.0
    context_tokens: int = 0
    tools: bool = False
    images: bool = False
    candidates: tuple[str, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Recent(msgspec.Struct, frozen=True):
    """The newest first."""

    requests: list[Recorded]


def recent(
    table: str, policy: str, from_ms: int, to_ms: int, limit: int, *, newest: str
) -> tuple[str, tuple[object, ...]]:
    """The question to a day's table; `newest` is what it is read backward by."""
    sql = (
        f"SELECT {', '.join(COLUMNS)} FROM {table}"  # noqa: S608 - names of ours
        f" WHERE policy = ? AND at_ms >= ? AND at_ms < ? ORDER BY {newest} DESC LIMIT ?"
    )
    return sql, (policy, from_ms, to_ms, limit)


def recorded_of(row: Row) -> Recorded:
    """Of the columns COLUMNS."""
    of: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    of["candidates"] = json_of(of["candidates"])
    of |= {name: bool(of[name]) for name in ("tools", "images")}
    return msgspec.convert(of, Recorded)


def facts_of(request: Request | Recorded) -> RequestFacts:
    """What the analysis found, as rules look at it; no headers, no metadata, no text."""
    found: dict[str, Any] = {
        name: kind(value)
        for name, kind in _NAMED.items()
        if (value := getattr(request, name)) in list(kind)
    }
    decided = request.task in _TASKS
    analysis = Analysis(
        task=Task(request.task) if decided else Task.CHAT,
        decided=decided,
        language=request.language or "und",
        context_tokens=request.context_tokens,
        confidence=request.confidence,
        evidence=(),
        tools=request.tools,
        images=request.images,
        **found,
    )
    return RequestFacts(
        analysis=analysis,
        tools=request.tools,
        images=request.images,
        caller=request.caller,
        team=request.team,
    )
