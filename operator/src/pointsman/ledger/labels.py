"""PURE: what the ledger knows of how good answers were, as labels that a predictor is fitted on.

A label is one request: its rating, the last one that was given, or that its backend took it and
gave no whole answer. Servers that were away, full or cold say nothing of how good a model is.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from pointsman.ledger.rows import FAILED, Row

MOST: Final = 5_000
"""Labels in one answer; more only make a fit slower."""
USUAL: Final = 2_000
SAID_EACH: Final = 3
"""Ratings of one request that are read, on average at most."""
_HEAD: Final = 3_000
_TAIL: Final = 1_000
"""Characters of a text: what the analysis reads of one."""
_GOOD: Final = {"good_fit": 1.0, "overprovisioned": 1.0, "underpowered": 0.0, "failed": 0.0}
_USER: Final = re.compile(r"(?:\A|\n)user: ")
_OTHERS: Final = re.compile(r"\n(?:assistant|tool|system|developer|function): ")
_ROLE: Final = re.compile(r"(?:assistant|tool|system|developer|function|user): ")
_COLUMNS: Final = (
    "decision", "at_ms", "backend", "task", "complexity", "domain", "language", "context_tokens",
    "tools", "images", "output_tokens", "duration_us",
)  # fmt: skip
_SAID: Final = ("score_micro", "good", "verdict")
_RATED: Final = "(f.score_micro IS NOT NULL OR f.good IS NOT NULL OR f.verdict <> '')"
_TEXT: Final = (
    " LEFT JOIN texts t ON t.decision = r.decision AND t.how = 'Full' AND t.expires_ms > ?"
)


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One request whose answer was judged."""

    decision: str
    at_ms: int
    backend: str
    quality: float
    """0 to 1."""
    source: Literal["Rating", "Failure"]
    task: str = ""
    """Empty where the analysis was not sure."""
    complexity: str = ""
    domain: str = ""
    language: str = ""
    context_tokens: int = 0
    tools: bool = False
    images: bool = False
    output_tokens: int = 0
    duration_us: int = 0
    text: str = ""
    """The last message of the user, head and tail, where the policy let it be kept."""


class Labels(msgspec.Struct, frozen=True):
    """Of one policy, the newest first."""

    labels: list[Label]
    more: bool
    """True if there are older ones than fitted."""


class Place(NamedTuple):
    """Where labels are looked for: a table of requests, a policy, and [from, to) in ms."""

    table: str
    policy: str
    from_ms: int
    to_ms: int


Sql = tuple[str, tuple[object, ...]]


def rated(place: Place, now_ms: int, limit: int) -> Sql:
    """Requests with what was said of each, a row for each rating; newest first."""
    table, policy, from_ms, to_ms = place
    sql = (
        f"SELECT {_columns()}, {', '.join('f.' + name for name in _SAID)}, f.at_ms, f.id"  # noqa: S608
        f" FROM feedback f JOIN {table} r ON r.decision = f.decision AND r.at_ms = f.request_at_ms"
        f"{_TEXT} WHERE f.request_at_ms >= ? AND f.request_at_ms < ? AND {_RATED}"
        " AND r.policy = ? ORDER BY r.at_ms DESC, r.decision LIMIT ?"
    )
    return sql, (now_ms, from_ms, to_ms, policy, limit)


def failed(place: Place, now_ms: int, limit: int) -> Sql:
    """Requests that got no whole answer of their backend; newest first."""
    table, policy, from_ms, to_ms = place
    outcomes = "'" + "', '".join(FAILED) + "'"
    sql = (
        f"SELECT {_columns()} FROM {table} r{_TEXT}"  # noqa: S608
        f" WHERE r.outcome IN ({outcomes}) AND r.at_ms >= ? AND r.at_ms < ? AND r.policy = ?"
        " AND r.backend <> '' ORDER BY r.at_ms DESC, r.decision LIMIT ?"
    )
    return sql, (now_ms, from_ms, to_ms, policy, limit)


def _columns() -> str:
    return ", ".join((*(f"r.{name}" for name in _COLUMNS), "t.prompt"))


def labels(ratings: Sequence[Row], failures: Iterable[Row], limit: int) -> Labels:
    """Of what `rated` and `failed` found; who was rated is no failure."""
    found: dict[str, tuple[Row, float, Literal["Rating", "Failure"]]] = {}
    for row, quality in _judged(ratings):
        found[str(row[0])] = (row, quality, "Rating")
    for row in failures:
        found.setdefault(str(row[0]), (row, 0.0, "Failure"))
    newest = sorted(found.values(), key=lambda one: (-int(str(one[0][1])), str(one[0][0])))
    return Labels([_label(*one) for one in newest[:limit]], len(newest) > limit)


def _judged(ratings: Sequence[Row]) -> Iterable[tuple[Row, float]]:
    """Each request once, with its last rating, or its last verdict where it has no rating."""
    first = len(_COLUMNS) + 1
    said: dict[str, list[Row]] = {}
    for row in ratings:
        said.setdefault(str(row[0]), []).append(row)
    for rows in said.values():
        rating, verdict = None, None
        for row in sorted(rows, key=lambda one: (int(str(one[first + 3])), str(one[first + 4]))):
            score, good, word = row[first : first + 3]
            if score is not None:
                rating = int(str(score)) / 1_000_000
            elif good is not None:
                rating = float(bool(good))
            verdict = _GOOD.get(str(word), verdict)
        quality = verdict if rating is None else rating
        if quality is not None:
            yield rows[0], quality


def _label(row: Row, quality: float, source: Literal["Rating", "Failure"]) -> Label:
    of = dict(zip((*_COLUMNS, "text"), row, strict=False))
    flags = {name: bool(of[name]) for name in ("tools", "images")}
    text = asked(str(of["text"] or ""))
    return msgspec.convert(
        {**of, **flags, "text": text, "quality": quality, "source": source}, Label
    )


def asked(prompt: str) -> str:
    """The last message of the user in a text as it is kept, head and tail."""
    begun = list(_USER.finditer(prompt))
    if begun:
        text = prompt[begun[-1].end() :]
        ended = _OTHERS.search(text)
        text = text[: ended.start()] if ended else text
    else:
        text = "" if _ROLE.match(prompt) else prompt
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"
