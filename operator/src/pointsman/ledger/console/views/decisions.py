"""PURE: which decisions are looked for, and what is shown of one.

Finding is bounded: rollups say on which days there are such requests, in which hours of those, and
in which 5 minutes; only those are read, the newest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pointsman.api.predicting import Rated
from pointsman.events.schema import Request
from pointsman.ledger.recorded import as_text
from pointsman.ledger.rows import SAID, Row
from pointsman.ledger.tally import SPANS_MS

PAGE: Final = 50
MOST_TIMES: Final = 2_000
"""Times of one length that are looked into at once: a week of 5 minutes."""
BY: Final = ("policy", "backend", "task", "team")
COLUMNS: Final = (
    "decision", "at_ms", "policy", "rule", "task", "backend", "team", "caller", "status", "outcome",
    "duration_us", "cost_nano", "currency", "confidence", "given_up",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """[from, to) and names; an empty one is any."""

    from_ms: int
    to_ms: int
    policy: str = ""
    backend: str = ""
    task: str = ""
    team: str = ""
    failed: bool = False
    after: tuple[int, str] | None = None
    """Time and id of the last one of the page before; `to_ms` is just behind that time."""

    @property
    def names(self) -> list[tuple[str, str]]:
        """(column, name) of those that are asked for."""
        return [(name, value) for name in BY if (value := getattr(self, name))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One of a list."""

    decision: str
    at_ms: int
    policy: str
    rule: str
    task: str
    backend: str
    team: str
    caller: str
    status: int
    outcome: str
    duration_us: int
    cost_nano: int
    currency: str
    confidence: float
    retried: bool

    @property
    def state(self) -> str:
        """`ok`, `warn`: after another one was tried, `bad`: no answer."""
        if self.outcome != "Ok":
            return "bad"
        return "warn" if self.retried else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """Feedback."""

    at_ms: int
    caller: str
    score: float | None
    good: bool | None
    verdict: str
    signal: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One backend and what became of it."""

    backend: str
    state: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision, whole."""

    event: Request
    attempts: tuple[Attempt, ...]
    """In their order; the last one answered, if any did."""
    rated: tuple[Rated, ...]
    opinions: tuple[Opinion, ...]
    explained: str
    """As `pointsman explain --decision` says it."""


def when(wanted: Wanted, span_ms: int, begins: Sequence[int] = ()) -> tuple[str, list[object]]:
    """
    SQL and values: in which times of this length there are such requests, and how many.

    `begins`: of times of that length that are looked into; none given: all between the ends.
    """
    count = "SUM(r.errors)" if wanted.failed else "SUM(r.requests)"
    values: list[object] = [span_ms]
    if begins:
        where = f"r.bucket_ms IN ({', '.join('?' * len(begins))})"
        values += begins
    else:
        where = "r.bucket_ms >= ? AND r.bucket_ms < ?"
        values += [wanted.from_ms - wanted.from_ms % span_ms, wanted.to_ms]
    if wanted.names:
        names = " AND ".join(f"{name} = ?" for name, _ in wanted.names)
        where += f" AND r.series IN (SELECT id FROM series WHERE {names})"  # noqa: S608
        values += [value for _, value in wanted.names]
    sql = (
        f"SELECT r.bucket_ms, {count} FROM rollups r WHERE r.span_ms = ? AND {where}"  # noqa: S608
        f" GROUP BY r.bucket_ms HAVING {count} > 0 ORDER BY r.bucket_ms DESC LIMIT ?"
    )
    return sql, [*values, MOST_TIMES]


def newest(times: Sequence[tuple[int, int]], least: int) -> list[int]:
    """Begins of the newest times that hold so many; `times`: (begin, requests), newest first."""
    found, counted = [], 0
    for begin, requests in times:
        found.append(begin)
        counted += requests
        if counted >= least:
            break
    return found


def within(begins: Sequence[int], span_ms: int, smaller_ms: int, wanted: Wanted) -> list[int]:
    """Begins of all smaller times in these that touch what is wanted."""
    return [
        at
        for begin in begins
        for at in range(begin, begin + span_ms, smaller_ms)
        if at < wanted.to_ms and at + smaller_ms > wanted.from_ms
    ]


def spans(begins: Sequence[int]) -> list[tuple[int, int]]:
    """[from, to) of these times of 5 minutes, neighbors as one; the newest first."""
    found: list[tuple[int, int]] = []
    span = SPANS_MS[0]
    for begin in begins:
        if found and found[-1][0] == begin + span:
            found[-1] = (begin, found[-1][1])
        else:
            found.append((begin, begin + span))
    return found


def listed(
    table: str, wanted: Wanted, spans: Sequence[tuple[int, int]], limit: int
) -> tuple[str, list[object]]:
    """SQL and values: rows COLUMNS of one table in these times, the newest first."""
    where = "".join(f" AND {name} = ?" for name, _ in wanted.names)
    also: list[object] = [value for _, value in wanted.names]
    if wanted.failed:  # as rollups count errors
        where += " AND outcome NOT IN ('Ok', 'ClientGone')"
        where += " AND (status < 400 OR status >= 500 OR status = 429)"
    if wanted.after is not None:
        where += " AND (at_ms < ? OR decision > ?)"
        also += wanted.after
    # One SELECT for each time: planners walk a whole table rather than look at 50 ranges.
    one = (
        f"SELECT {', '.join(COLUMNS)} FROM {table}"  # noqa: S608 - names of ours
        f" WHERE at_ms >= ? AND at_ms < ?{where}"
    )
    values: list[object] = []
    for from_ms, to_ms in spans:
        values += [max(from_ms, wanted.from_ms), min(to_ms, wanted.to_ms), *also]
    sql = f"{' UNION ALL '.join([one] * len(spans))} ORDER BY at_ms DESC, decision LIMIT ?"
    return sql, [*values, limit]


def entry(row: Row) -> Entry:
    """Of the columns COLUMNS."""
    of: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    left = of.pop("given_up")
    return Entry(**of, retried=left not in ("[]", [], None, ""))


def opinions(decision: str) -> tuple[str, list[object]]:
    """SQL and values; rows: the columns SAID."""
    return (
        f"SELECT {', '.join(SAID)} FROM feedback WHERE decision = ? ORDER BY at_ms DESC LIMIT 100",  # noqa: S608
        [decision],
    )


def decided(event: Request, said: Sequence[Row]) -> Decided:
    """All of one."""
    choice = event.choice
    return Decided(
        event=event,
        attempts=tuple(_attempts(event)),
        rated=choice.candidates if choice else (),
        opinions=tuple(_opinion(dict(zip(SAID, row, strict=True))) for row in said),
        explained=as_text(event),
    )


def _attempts(event: Request) -> list[Attempt]:
    found = [Attempt(backend=one.backend, state="bad", note=one.reason) for one in event.left]
    if event.backend and (
        event.outcome == "Ok" or not event.left or event.left[-1].backend != event.backend
    ):
        state = "ok" if event.outcome == "Ok" else "bad"
        found.append(Attempt(backend=event.backend, state=state, note=event.outcome))
    return found


def _opinion(of: Mapping[str, Any]) -> Opinion:
    micro, good = of["score_micro"], of["good"]
    return Opinion(
        at_ms=int(of["at_ms"]),
        caller=of["caller"],
        score=None if micro is None else micro / 1_000_000,
        good=None if good is None else bool(good),
        verdict=of["verdict"],
        signal=of["signal"],
        comment=of["comment"],
    )


def facts(event: Request) -> list[tuple[str, str]]:
    """What the analysis found, as pairs for people."""
    flags = [name for name in ("tools", "images", "stream") if getattr(event, name)]
    found = [
        ("Task", f"{event.task or 'undecided'}, confidence {event.confidence:.2f}"),
        ("Complexity", event.complexity),
        ("Domain", event.domain),
        ("Language", event.language),
        ("Prompt", f"about {event.context_tokens:,} tokens"),
        ("With", ", ".join(flags)),
        ("Data class", event.data_class),
    ]
    return [(name, value) for name, value in found if value]


def plain(event: Request) -> str:
    """The event as JSON, for who wants all of it."""
    return msgspec.json.format(msgspec.json.encode(event), indent=2).decode()
