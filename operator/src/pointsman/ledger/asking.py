"""Questions to a store: builds them, asks, and adds up."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from pointsman.ledger import labels, traffic
from pointsman.ledger.contract import Store
from pointsman.ledger.evaluations import Evaluations, told
from pointsman.ledger.evaluations import question as evaluated
from pointsman.ledger.hosted import Hosted, bills, hosted, question
from pointsman.ledger.recent import Recent, recent, recorded_of
from pointsman.ledger.rows import BEGIN_MS, DAY_MS, MAX_NAME, Row
from pointsman.ledger.stores import days
from pointsman.ledger.summary import BYS, By, Line, Summary, cut, lines, sums
from pointsman.ledger.tally import SPANS_MS

TEAMS: Final = 20
MAX_DIGITS: Final = 18
MOST_DAYS: Final = 60
"""That labels are looked for in, three questions each."""
_AGO: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}


class BadQuestion(ValueError):
    """What is asked means nothing; the text says what would."""


def when(text: str, now_ms: int) -> int:
    """`24h` ago, or a time such as 2026-11-26 or 2026-11-26T07:00:00Z, as Unix time in ms."""
    found = _AGO.fullmatch(text)
    if found:
        ago_ms = int(found[1]) * _UNITS_MS[found[2]]
        return max(BEGIN_MS, now_ms - ago_ms)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadQuestion(
            "a time is written as 24h, 7d or 30m (ago), or as 2026-11-26T07:00:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at_ms = int(moment.timestamp() * 1000)
    return min(max(BEGIN_MS, at_ms), now_ms + DAY_MS)


def window_of(query: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    """[from, to) in Unix time in ms. Raises BadQuestion."""
    from_ms = when(query.get("since", "24h"), now_ms)
    to_ms = when(query.get("until", "0s"), now_ms)
    if from_ms >= to_ms:
        raise BadQuestion("since has to be before until")
    return from_ms, to_ms


def policy_of(query: Mapping[str, str]) -> str:
    """Raises BadQuestion."""
    policy = query.get("policy", "")
    if not policy or len(policy) > MAX_NAME:
        raise BadQuestion("policy has to be the name of one")
    return policy


def number_of(text: str) -> int | None:
    """Digits alone, at most 18 of them: what every store can hold. None for anything else."""
    fits = 0 < len(text) <= MAX_DIGITS and text.isascii() and text.isdigit()
    return int(text) if fits else None


def count_of(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    """Raises BadQuestion."""
    found = number_of(query.get(name, str(usual)))
    if found is None or not 0 < found <= most:
        raise BadQuestion(f"{name} is 1 to {most:,}")
    return found


def finest_ms(store: Store) -> int:
    """Where sums of 5 minutes are whole; 0 if they are wherever there are any."""
    sql = "SELECT min(bucket_ms) FROM rollups WHERE span_ms = ?"  # one look into the index each
    small, hour = (int(str(store.query(sql, (span,))[0][0] or 0)) for span in SPANS_MS[:2])
    return small + SPANS_MS[1] if small - small % SPANS_MS[1] > hour else 0


def by_what(text: str) -> tuple[By, ...]:
    """`policy,task` as what a summary has lines by. Raises BadQuestion."""
    found = tuple(one for word in text.split(",") for one in BYS if one == word)
    if len(found) != text.count(",") + 1 or len(set(found)) < len(found):
        raise BadQuestion(f"by is some of {', '.join(BYS)}, each once, with commas")
    return found


def ask(
    store: Store, from_ms: int, to_ms: int, by: tuple[By, ...] = ("backend", "task")
) -> Summary:
    """All of [from, to), rounded out to what there is. Raises StoreError."""
    spans = cut(from_ms, to_ms, finest_ms(store))
    found, totals = _lines(store, by, spans), _lines(store, (), spans)
    replicas = _hosted(store, spans)
    teams = _lines(store, ("team",), spans)
    lost = store.query("SELECT sum(lost) FROM spools WHERE last_ms >= ?", (from_ms,))
    return Summary(
        from_ms=min(span[1] for span in spans),
        to_ms=max(span[2] for span in spans),
        lines=found,
        totals=totals,
        teams=teams[:TEAMS],
        lost=int(str(lost[0][0] or 0)),
        hosted=replicas,
        bills=bills(((one.currency, one.cost_nano, one.savings_nano) for one in totals), replicas),
    )


def _hosted(store: Store, spans: list[tuple[int, int, int]]) -> list[Hosted]:
    rows = store.query(*question(spans))
    did: dict[str, tuple[int, int]] = {}
    for one in _lines(store, ("backend",), spans) if rows else ():
        requests, tokens = did.get(one.by["backend"], (0, 0))
        tokens += one.input_tokens + one.output_tokens
        did[one.by["backend"]] = (requests + one.requests, tokens)
    return hosted(rows, did)


def _lines(store: Store, by: tuple[By, ...], spans: list[tuple[int, int, int]]) -> list[Line]:
    return lines(by, store.query(*sums(by, spans)))


def ask_labels(
    store: Store, policy: str, from_ms: int, now_ms: int, each: int = labels.USUAL_EACH
) -> labels.Labels:
    """
    Labels of a policy since then, the newest `each` of every backend in every task.

    Day after day, each some questions of bounded work. Raises StoreError.
    """
    found = labels.Gathered(each)
    for table, begin_ms, end_ms in days_of(store, from_ms, now_ms + DAY_MS):
        place = labels.Place(table, policy, begin_ms, end_ms)
        parts = labels.parts(store.query(*labels.counted(place)))
        found.add(
            store.query(*labels.rated(place, each)),
            store.query(*labels.failed(place, labels.most_failed(parts, each))),
            parts,
        )
        if found.is_full:
            break
    return found.labels(_asked_in(store, found.decisions, now_ms))


def _asked_in(store: Store, decisions: Sequence[str], now_ms: int) -> dict[str, str]:
    """The question of each whose text is there; of the texts a few at a time are in memory."""
    found: dict[str, str] = {}
    for first in range(0, len(decisions), labels.EACH):
        rows = store.query(*labels.texts(decisions[first : first + labels.EACH], now_ms))
        found |= {str(decision): labels.asked(str(prompt)) for decision, prompt in rows}
    return found


def ask_recent(store: Store, policy: str, from_ms: int, now_ms: int, limit: int) -> Recent:
    """
    A policy's last requests since then.

    SQLite reads a day's rows backward until it has enough. Raises StoreError.
    """
    newest = "rowid" if store.dialect == "sqlite" else "at_ms"
    found: list[Row] = []
    for table, begin_ms, end_ms in days_of(store, from_ms, now_ms + DAY_MS):
        left = limit - len(found)
        found += store.query(*recent(table, policy, begin_ms, end_ms, left, newest=newest))
        if len(found) >= limit:
            break
    requests = map(recorded_of, found)
    return Recent(sorted(requests, key=lambda one: (-one.at_ms, one.decision)))


def days_of(store: Store, from_ms: int, to_ms: int) -> list[tuple[str, int, int]]:
    """(table, from, to) of what holds the requests of [from, to), the newest day first."""
    if store.dialect == "sqlite":
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'requests_[0-9]*'"
        names = [str(row[0]) for row in store.query(sql, ())]
        tables = [(name, days.begin_ms(name) or 0) for name in names]
    else:
        first_ms = max(from_ms, to_ms - MOST_DAYS * DAY_MS)
        begins = range(first_ms - first_ms % DAY_MS, to_ms, DAY_MS)
        tables = [("requests", begin_ms) for begin_ms in begins]
    found = [
        (name, max(begin_ms, from_ms), min(begin_ms + DAY_MS, to_ms))
        for name, begin_ms in tables
        if begin_ms < to_ms and begin_ms + DAY_MS > from_ms
    ]
    return sorted(found, key=lambda one: -one[1])[:MOST_DAYS]


def ask_traffic(store: Store, from_ms: int, to_ms: int) -> traffic.Traffic:
    """What each backend's traffic looked like in [from, to), whole 5 minutes. Raises StoreError."""
    step = SPANS_MS[0]
    if from_ms % step or to_ms % step or not 0 < to_ms - from_ms <= traffic.MOST_MS:
        raise BadQuestion("a window is of whole 5 minutes, and of a day at most")
    words = [
        row
        for table, begin_ms, end_ms in days_of(store, from_ms, to_ms)
        for row in store.query(*traffic.sampled(table, begin_ms, end_ms))
    ]
    return traffic.told(from_ms, to_ms, store.query(*traffic.counted(from_ms, to_ms)), words)


def ask_evaluations(store: Store, by: dict[str, str], from_ms: int, limit: int) -> Evaluations:
    """Answers to golden prompts since then, by names of suite, content, backend and task."""
    return told(store.query(*evaluated(by, from_ms, limit)), limit)
