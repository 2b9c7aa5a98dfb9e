"""PURE: what ordinary traffic of each backend looked like in a window: sums, and words of answers.

Sums are of rollups of 5 minutes and so exact. What answers said of themselves, and why they ended,
is of at most SAMPLE rows, scaled up to the answers that were counted.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from pointsman.ledger.rows import Row
from pointsman.ledger.summary import merge, sums
from pointsman.ledger.tally import COLUMNS, FIRST_TOKEN, SPANS_MS

SAMPLE: Final = 200_000
MOST_WORDS: Final = 2_000
"""Different answers of the sample: a server that makes up names must not fill memory."""
MOST_MS: Final = 86_400_000
"""Of a window."""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answers of the sample that stated the same."""

    model: str = ""
    fingerprint: str = ""
    answers: int = 0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One backend: `finishes` by finish reason, never more than there were answers."""

    requests: int
    errors: int
    output_tokens: int
    first_token: tuple[int, ...]
    rated: int
    rating_micro: int
    finishes: dict[str, int]
    said: list[Said]


class Traffic(msgspec.Struct, frozen=True):
    """Of [from, to), in Unix ms, by backend; who answered nothing is not there."""

    from_ms: int
    to_ms: int
    backends: dict[str, Seen]


def counted(from_ms: int, to_ms: int) -> tuple[str, list[object]]:
    """SQL and values: rows of `merge`, by backend and currency."""
    return sums(("backend",), [(SPANS_MS[0], from_ms, to_ms)])


def sampled(table: str, from_ms: int, to_ms: int) -> tuple[str, list[object]]:
    """SQL and values: backend, finish, model, fingerprint, answers; the most frequent first."""
    words = "backend, finish, reported_model, fingerprint"
    sql = (
        f"SELECT {words}, count(*) FROM (SELECT {words}, outcome FROM {table}"  # noqa: S608
        " WHERE at_ms >= ? AND at_ms < ? LIMIT ?) AS sample"
        f" WHERE outcome = 'Ok' GROUP BY {words} ORDER BY count(*) DESC, {words} LIMIT ?"
    )
    return sql, [from_ms, to_ms, SAMPLE, MOST_WORDS]


def told(from_ms: int, to_ms: int, rollups: Iterable[Row], words: Iterable[Row]) -> Traffic:
    """Of the rows of both questions. A backend of which the sample has nothing is left out."""
    totals: dict[str, list[int]] = {}
    for (backend, _), values in merge(rollups, 2).items():
        known = totals.get(backend)
        totals[backend] = (
            values if known is None else [a + b for a, b in zip(known, values, strict=True)]
        )
    found: dict[str, list[tuple[str, str, str, int]]] = {}
    for row in words:
        name, finish, model, fingerprint = map(str, row[:4])
        found.setdefault(name, []).append((finish, model, fingerprint, int(str(row[4]))))
    seen = {
        backend: _seen(values, found.get(backend, []))
        for backend, values in totals.items()
        if backend and (backend in found or not _answers(values))
    }
    return Traffic(from_ms, to_ms, seen)


def _answers(values: Sequence[int]) -> int:
    return max(0, values[COLUMNS.index("requests")] - values[COLUMNS.index("errors")])


def _seen(values: Sequence[int], words: Sequence[tuple[str, str, str, int]]) -> Seen:
    of = dict(zip(COLUMNS, values, strict=True))
    answers, all_of_them = _answers(values), sum(row[3] for row in words)
    finishes: dict[str, int] = {}
    said: dict[tuple[str, str], int] = {}
    for finish, model, fingerprint, count in words:
        if finish:
            finishes[finish] = finishes.get(finish, 0) + count
        said[model, fingerprint] = said.get((model, fingerprint), 0) + count
    if all_of_them:
        finishes = {word: count * answers // all_of_them for word, count in finishes.items()}
    return Seen(
        requests=of["requests"],
        errors=min(of["errors"], of["requests"]),
        output_tokens=of["output_tokens"],
        first_token=tuple(of[name] for name in FIRST_TOKEN),
        rated=of["rated"],
        rating_micro=of["rating_micro"],
        finishes=finishes,
        said=[Said(*names, count) for names, count in said.items() if any(names)],
    )
