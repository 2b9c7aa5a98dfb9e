"""PURE: what the ledger knows of how good answers were, as labels that a predictor is fitted on.

A label is one request: its rating, a reviewer's or else the last one that was given, or that its
backend took it and gave no whole answer. Servers that were away, full or cold say nothing of how
good a model is. Of whole answers few are rated, and every failure is seen: so of failures as large
a part counts, or they would outnumber the ratings of the best model that is asked often.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from pointsman.ledger.rows import DAY_MS, FAILED, Row
from pointsman.ledger.tally import SPANS_MS, VERDICTS

MOST_EACH: Final = 1_000
USUAL_EACH: Final = 300
"""Labels of one backend in one task. Bounded for each, or the answers of a backend that everybody
asks would push out what is known of one that nobody asks any more, because it is bad."""
MOST: Final = 20_000
"""In one answer."""
MOST_READ: Final = 20_000
"""Ratings, and failures, that are looked at of one day."""
EACH: Final = 50
"""Texts that are read at once: each may have 64 KiB."""
_HEAD: Final = 3_000
_TAIL: Final = 1_000
"""Characters of a text: what the analysis reads of one."""
_GOOD: Final = {"good_fit": 1.0, "overprovisioned": 1.0, "underpowered": 0.0, "failed": 0.0}
_USER: Final = re.compile(r"(?:\A|\n)user: ")
_OTHERS: Final = re.compile(r"\n(?:assistant|tool|system|developer|function): ")
_ROLE: Final = re.compile(r"(?:assistant|tool|system|developer|function|user): ")
_PLACE: Final = (
    "ROW_NUMBER() OVER (PARTITION BY r.backend, r.task ORDER BY r.at_ms DESC, r.decision) AS place"
)
_COLUMNS: Final = (
    "decision", "at_ms", "backend", "task", "complexity", "domain", "language", "context_tokens",
    "tools", "images", "output_tokens", "duration_us",
)  # fmt: skip
_SAID: Final = ("score_micro", "good", "verdict")
_RATED: Final = "(f.score_micro IS NOT NULL OR f.good IS NOT NULL OR f.verdict <> '')"


Source = Literal["Rating", "Review", "Failure"]


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One request whose answer was judged."""

    decision: str
    at_ms: int
    backend: str
    quality: float
    """0 to 1."""
    source: Source
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
    """True if there are more than were wanted."""


class Place(NamedTuple):
    """Where labels are looked for: a table of requests, a policy, and [from, to) in ms."""

    table: str
    policy: str
    from_ms: int
    to_ms: int


Sql = tuple[str, tuple[object, ...]]


def rated(place: Place, each: int) -> Sql:
    """Requests with what was said of each, a row for each rating; so many of a backend and task."""
    said = ", ".join("f." + name for name in (*_SAID, "at_ms AS said_ms", "id", "source"))
    sql = (
        f"SELECT {_columns('r')}, {said}, {_PLACE} FROM (SELECT * FROM feedback f"  # noqa: S608
        f" WHERE f.request_at_ms >= ? AND f.request_at_ms < ? AND {_RATED}"
        " ORDER BY f.request_at_ms DESC LIMIT ?) AS f"
        f" JOIN {place.table} r ON r.decision = f.decision AND r.at_ms = f.request_at_ms"
        " WHERE r.policy = ?"
    )
    values = (place.from_ms, place.to_ms, MOST_READ, place.policy)
    return _newest(sql, (*_COLUMNS, *_SAID, "said_ms", "id", "source")), (*values, each)


Parts = Mapping[tuple[str, str], float]
"""By backend and task: of failures so many (0 to 1) are labels; all where nothing is said."""


def counted(place: Place) -> Sql:
    """(backend, task, answers, those with a rating, those with a verdict) of the day of a place."""
    verdicts = " + ".join("r." + name for name in VERDICTS)
    sql = (
        f"SELECT s.backend, s.task, SUM(r.requests - r.errors), SUM(r.rated), SUM({verdicts})"  # noqa: S608
        " FROM rollups r JOIN series s ON s.id = r.series"
        " WHERE r.span_ms = ? AND r.bucket_ms = ? AND s.policy = ? GROUP BY s.backend, s.task"
    )
    return sql, (SPANS_MS[2], place.from_ms - place.from_ms % DAY_MS, place.policy)


def parts(rows: Iterable[Row]) -> dict[tuple[str, str], float]:
    """
    Of what `counted` finds: the part of the answers that was rated.

    One more of each is taken: where nobody rates, an answer that broke now and then says nothing,
    and a model that gives no whole answer any more is known all the same.
    """
    found = {}
    for row in rows:
        answers, *said = (max(0, int(str(value))) for value in row[2:])
        found[str(row[0]), str(row[1])] = min(1.0, (max(said) + 1) / (answers + 1))
    return found


def most_failed(of: Parts, each: int) -> int:
    """So many failures are looked at for `each` that count."""
    return min(MOST_READ, math.ceil(each / min(of.values(), default=1.0)))


def is_part(decision: str, part: float) -> bool:
    """By the id's hash: nobody's choice, the same each time, and a larger part holds a smaller."""
    digest = hashlib.blake2b(decision.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) < part * 2**64


def failed(place: Place, each: int) -> Sql:
    """Requests that got no whole answer of their backend; so many of a backend and task."""
    outcomes = "'" + "', '".join(FAILED) + "'"
    sql = (
        f"SELECT {_columns('r')}, {_PLACE} FROM (SELECT * FROM {place.table}"  # noqa: S608
        f" WHERE outcome IN ({outcomes}) AND at_ms >= ? AND at_ms < ?"
        " ORDER BY at_ms DESC LIMIT ?) AS r WHERE r.policy = ? AND r.backend <> ''"
    )
    values = (place.from_ms, place.to_ms, MOST_READ, place.policy)
    return _newest(sql, _COLUMNS), (*values, each)


def texts(decisions: Sequence[str], now_ms: int) -> Sql:
    """(decision, prompt) of those whose text is there as it was."""
    marks = ", ".join("?" * len(decisions))
    sql = (
        f"SELECT decision, prompt FROM texts WHERE decision IN ({marks})"  # noqa: S608
        " AND how = 'Full' AND expires_ms > ?"
    )
    return sql, (*decisions, now_ms)


def _columns(of: str, names: Sequence[str] = _COLUMNS) -> str:
    return ", ".join(f"{of}.{name}" for name in names)


def _newest(sql: str, names: Sequence[str]) -> str:
    """Of each backend and task."""
    return f"SELECT {_columns('found', names)} FROM ({sql}) AS found WHERE found.place <= ?"  # noqa: S608


class Gathered:
    """What was found so far, day after day, the newest first; not more than is wanted."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._count: Counter[tuple[str, str]] = Counter()
        self._labels: list[Label] = []
        self._more = False

    def add(self, ratings: Sequence[Row], failures: Iterable[Row], of: Parts) -> None:
        """Of one day, as `rated` and `failed` find them; who was rated is no failure."""
        found = {str(row[0]): _label(row, *judged) for row, judged in _judged(ratings)}
        for row in failures:
            if str(row[0]) in found:
                continue
            label = _label(row, 0.0, "Failure")
            if is_part(label.decision, of.get((label.backend, label.task), 1.0)):
                found[label.decision] = label
        for label in sorted(found.values(), key=lambda one: (-one.at_ms, one.decision)):
            cell = (label.backend, label.task)
            if self._count[cell] < self._each and len(self._labels) < MOST:
                self._count[cell] += 1
                self._labels.append(label)
            else:
                self._more = True

    @property
    def is_full(self) -> bool:
        """Nothing more is taken."""
        return len(self._labels) >= MOST

    @property
    def decisions(self) -> list[str]:
        """Of all of them."""
        return [label.decision for label in self._labels]

    def labels(self, asked_: Mapping[str, str]) -> Labels:
        """All of them; `asked_`: the question of each decision whose text is there."""
        found = [
            msgspec.structs.replace(one, text=asked_[one.decision])
            if one.decision in asked_
            else one
            for one in self._labels
        ]
        return Labels(found, self._more)


def _judged(ratings: Sequence[Row]) -> Iterable[tuple[Row, tuple[float, Source]]]:
    """
    Each request once, with its last rating, or its last verdict where it has no rating.

    A reviewer's rating is the last, whenever it was given.
    """
    first = len(_COLUMNS)
    said: dict[str, list[Row]] = {}
    for row in ratings:
        said.setdefault(str(row[0]), []).append(row)
    for rows in said.values():
        rating, verdict, source = None, None, ""
        for row in sorted(rows, key=lambda one: _order(one[first + 3 :])):
            score, good, word = row[first : first + 3]
            if score is not None:
                rating, source = int(str(score)) / 1_000_000, str(row[first + 5])
            elif good is not None:
                rating, source = float(bool(good)), str(row[first + 5])
            verdict = _GOOD.get(str(word), verdict)
        quality = verdict if rating is None else rating
        if quality is not None:
            yield rows[0], (quality, "Review" if source == "Review" else "Rating")


def _order(said: Sequence[object]) -> tuple[str, int, str]:
    """Of (said_ms, id, source): callers' before a reviewer's, then by time."""
    return str(said[2]), int(str(said[0])), str(said[1])


def _label(row: Row, quality: float, source: Source) -> Label:
    of = dict(zip(_COLUMNS, row, strict=False))
    flags = {name: bool(of[name]) for name in ("tools", "images")}
    return msgspec.convert({**of, **flags, "quality": quality, "source": source}, Label)


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
