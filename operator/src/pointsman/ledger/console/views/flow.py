"""PURE: who asks whom: teams, the policies that decide, the backends that answer, with rates.

Guarantees a bound on what is shown: of each column the MOST busiest, and one node for the others.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from pointsman.ledger.console.fleet.seen import Backend, Seen
from pointsman.ledger.rows import Row
from pointsman.ledger.tally import SPANS_MS

_K = TypeVar("_K")
MOST: Final = 10
OTHERS: Final = "others"
_NOBODY: Final = "no team"
_DIRECT: Final = "no policy"
_UNANSWERED: Final = "no backend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`per_minute` requests go through it."""

    name: str
    per_minute: float
    errors: float
    """Of them without an answer, 0 to 1."""
    note: str = ""
    state: str = ""
    """`ok`, `warn` or `bad`; empty where nobody knows."""


@dataclass(frozen=True, slots=True)
class Edge:
    """From a node of one column to one of the next, by their places."""

    source: int
    target: int
    per_minute: float
    errors: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Of the last `minutes`."""

    minutes: float
    teams: tuple[Node, ...]
    policies: tuple[Node, ...]
    backends: tuple[Node, ...]
    asked: tuple[Edge, ...]
    """From teams to policies."""
    sent: tuple[Edge, ...]
    """From policies to backends."""
    details: tuple[Backend, ...]
    per_minute: float
    errors: float


def window(now_ms: int) -> tuple[int, int, float]:
    """[from, to) of whole 5 minutes, and how many minutes of it are over."""
    span = SPANS_MS[0]
    begin = now_ms - now_ms % span - span
    return begin, begin + 2 * span, (now_ms - begin) / 60_000


def question(from_ms: int, to_ms: int) -> tuple[str, list[object]]:
    """SQL and values; rows: team, policy, backend, requests, errors."""
    return (
        (
            "SELECT s.team, s.policy, s.backend, SUM(r.requests), SUM(r.errors)"
            " FROM rollups r JOIN series s ON s.id = r.series"
            " WHERE r.span_ms = ? AND r.bucket_ms >= ? AND r.bucket_ms < ?"
            " GROUP BY s.team, s.policy, s.backend"
        ),
        [SPANS_MS[0], from_ms, to_ms],
    )


Counts = tuple[int, int]


def flow(rows: Iterable[Row], seen: Seen, minutes: float) -> Flow:
    """Of the rows of that question. Policies and backends of the fleet are there unasked, too."""
    found = [
        (str(team) or _NOBODY, str(policy) or _DIRECT, str(backend) or _UNANSWERED,
         int(str(requests)), int(str(errors)))
        for team, policy, backend, requests, errors in rows
    ]  # fmt: skip
    teams = _busiest((row[0], row[3]) for row in found)
    policies = _busiest(
        [*((row[1], row[3]) for row in found), *((one.name, 0) for one in seen.policies)]
    )
    backends = _busiest(
        [*((row[2], row[3]) for row in found), *((one.name, 0) for one in seen.backends)]
    )
    places = [_places(column) for column in (teams, policies, backends)]
    sums: list[dict[int, Counts]] = [{}, {}, {}]
    asked: dict[tuple[int, int], Counts] = {}
    sent: dict[tuple[int, int], Counts] = {}
    for *names, requests, errors in found:
        at = [
            place.get(str(name), place.get(OTHERS, 0))
            for place, name in zip(places, names, strict=True)
        ]
        for column, number in zip(sums, at, strict=True):
            _add(column, number, requests, errors)
        _add(asked, (at[0], at[1]), requests, errors)
        _add(sent, (at[1], at[2]), requests, errors)
    known = {one.name: one for one in seen.backends}
    total = sum(row[3] for row in found)
    failed = sum(row[4] for row in found)
    return Flow(
        minutes=minutes,
        teams=_nodes(teams, sums[0], minutes, {}),
        policies=_nodes(policies, sums[1], minutes, {}),
        backends=_nodes(backends, sums[2], minutes, known),
        asked=_edges(asked, minutes),
        sent=_edges(sent, minutes),
        details=seen.backends,
        per_minute=total / minutes,
        errors=failed / max(1, total),
    )


def state_of(backend: Backend) -> str:
    """`ok`, `warn` or `bad`."""
    if backend.ready == "True":
        return "warn" if backend.drifted == "True" else "ok"
    return "bad" if backend.ready == "False" else ""


def note_of(backend: Backend) -> str:
    """Its replicas and queue, in a few words."""
    parts = []
    if backend.replicas is not None:
        parts.append(f"{backend.ready_replicas or 0}/{backend.replicas} ready")
    elif backend.kind == "external":
        parts.append("external")
    if backend.queue is not None:
        parts.append(f"queue {backend.queue}")
    return ", ".join(parts)


def _add(sums: dict[_K, Counts], key: _K, requests: int, errors: int) -> None:
    before = sums.get(key, (0, 0))
    sums[key] = (before[0] + requests, before[1] + errors)


def _busiest(counted: Iterable[tuple[str, int]]) -> list[str]:
    sums: Counter[str] = Counter()
    for name, requests in counted:
        sums[name] += requests
    names = sorted(sums, key=lambda name: (-sums[name], name))
    return names if len(names) <= MOST else [*names[: MOST - 1], OTHERS]


def _places(column: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(column)}


def _nodes(
    column: Sequence[str], sums: dict[int, Counts], minutes: float, known: dict[str, Backend]
) -> tuple[Node, ...]:
    found = []
    for number, name in enumerate(column):
        requests, errors = sums.get(number, (0, 0))
        backend = known.get(name)
        found.append(
            Node(
                name=name,
                per_minute=requests / minutes,
                errors=errors / max(1, requests),
                note=note_of(backend) if backend else "",
                state=state_of(backend) if backend else "",
            )
        )
    return tuple(found)


def _edges(sums: dict[tuple[int, int], Counts], minutes: float) -> tuple[Edge, ...]:
    return tuple(
        Edge(source, target, requests / minutes, errors / max(1, requests))
        for (source, target), (requests, errors) in sorted(sums.items())
    )
