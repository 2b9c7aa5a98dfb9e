"""What pages ask of the store, each bounded: by rollups, by limits, or by an index.

All raise StoreError.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pointsman.ledger import auditing
from pointsman.ledger.asking import days_of, finest_ms
from pointsman.ledger.console.fleet.seen import Seen
from pointsman.ledger.console.views import cost as costs
from pointsman.ledger.console.views import decisions, drift, flow, quality
from pointsman.ledger.contract import Store
from pointsman.ledger.hosted import hosted
from pointsman.ledger.hosted import question as hosted_question
from pointsman.ledger.rows import event_of
from pointsman.ledger.summary import cut
from pointsman.ledger.tally import SPANS_MS

PERIODS: Final = tuple(costs.PERIODS)
MOST_NAMES: Final = 200
AUDIT_PAGE: Final = 100


def ask_flow(store: Store, seen: Seen, now_ms: int) -> flow.Flow:
    """Of the last 5 to 10 minutes."""
    from_ms, to_ms, minutes = flow.window(now_ms)
    return flow.flow(store.query(*flow.question(from_ms, to_ms)), seen, minutes)


def ask_cost(store: Store, period: str, currency: str, now_ms: int) -> costs.Cost:
    """Over a period of PERIODS."""
    spans = cut(*costs.ends(period, now_ms), finest_ms(store))
    return costs.cost(
        store.query(*costs.question(period, now_ms)),
        store.query(*costs.lines(spans)),
        store.query(*costs.teams(spans)),
        hosted(store.query(*hosted_question(spans)), {}),
        period=period,
        currency=currency,
        now_ms=now_ms,
    )


def ask_quality(store: Store, source: quality.Source, period: str, now_ms: int) -> quality.Heat:
    """By ratings of callers, or by golden prompts."""
    from_ms, to_ms = costs.ends(period, now_ms)
    if source == "golden":
        return quality.heat(store.query(*quality.golden(from_ms)), source)
    spans = cut(from_ms, to_ms, finest_ms(store))
    return quality.heat(store.query(*quality.ratings(spans)), source)


def ask_drift(store: Store, seen: Seen, period: str, now_ms: int) -> drift.Watch:
    """Runs of golden prompts since then, and what the fleet says of them."""
    from_ms, _to_ms = costs.ends(period, now_ms)
    return drift.watch(store.query(*drift.question(from_ms)), seen, from_ms, now_ms)


def ask_decisions(store: Store, wanted: decisions.Wanted) -> tuple[list[decisions.Entry], str]:
    """The newest of them, and after what the next page comes; "": there are no more."""
    oldest = store.query("SELECT min(bucket_ms) FROM rollups WHERE span_ms = ?", (SPANS_MS[0],))
    begin_ms = max(wanted.from_ms, int(str(oldest[0][0] or 0)))
    wanted = replace(wanted, from_ms=min(begin_ms, wanted.to_ms))
    found: list[decisions.Entry] = []
    _gather(store, wanted, _times(store, wanted, SPANS_MS[2]), 2, found)
    if len(found) > decisions.PAGE:
        shown = found[: decisions.PAGE]
        return shown, f"{shown[-1].at_ms}:{shown[-1].decision}"
    return found, ""


def _gather(
    store: Store,
    wanted: decisions.Wanted,
    times: Sequence[tuple[int, int]],
    size: int,
    found: list[decisions.Entry],
) -> None:
    """Add those of these times until there is a page; `size`: of SPANS_MS, how long they are."""
    while times and len(found) <= decisions.PAGE:
        begins = decisions.newest(times, decisions.PAGE + 1 - len(found))
        times = times[len(begins) :]
        if size:
            length = SPANS_MS[size - 1]
            if smaller := decisions.within(begins, SPANS_MS[size], length, wanted):
                inner = _times(store, wanted, length, smaller)
                _gather(store, wanted, inner, size - 1, found)
        else:
            found += _between(store, wanted, decisions.spans(begins))


def _times(
    store: Store, wanted: decisions.Wanted, span_ms: int, begins: Sequence[int] = ()
) -> list[tuple[int, int]]:
    rows = store.query(*decisions.when(wanted, span_ms, begins))
    return [(int(str(row[0])), int(str(row[1]))) for row in rows]


def _between(
    store: Store, wanted: decisions.Wanted, spans: Sequence[tuple[int, int]]
) -> list[decisions.Entry]:
    """A page of those in these times, which are newest first; one question for each table."""
    tables: dict[str, list[tuple[int, int]]] = {}
    if store.dialect == "sqlite":
        for from_ms, to_ms in spans:
            for table, begin_ms, end_ms in days_of(store, from_ms, to_ms):
                tables.setdefault(table, []).append((begin_ms, end_ms))
    else:
        tables["requests"] = list(spans)
    found: list[decisions.Entry] = []
    for table, times in tables.items():
        left = decisions.PAGE + 1 - len(found)
        if left > 0:
            rows = store.query(*decisions.listed(table, wanted, times, left))
            found += map(decisions.entry, rows)
    return found


def ask_decision(store: Store, decision: str) -> decisions.Decided | None:
    """One of them, with what people said of its answer; None: there is none."""
    rows = store.recorded(decision)
    if not rows:
        return None
    return decisions.decided(event_of(rows[0]), store.query(*decisions.opinions(decision)))


def ask_audit(
    store: Store, between_ms: tuple[int, int], subject: str, after: int
) -> list[auditing.Entry]:
    """The newest first, one more than AUDIT_PAGE if there are."""
    question = auditing.question(between_ms, subject, after, AUDIT_PAGE + 1)
    return auditing.entries(store.query(*question))


def ask_names(store: Store) -> dict[str, list[str]]:
    """What may be looked for by name, MOST_NAMES of each at most."""
    return {
        name: [
            str(row[0])
            for row in store.query(
                f"SELECT DISTINCT {name} FROM series WHERE {name} <> '' ORDER BY 1 LIMIT ?",  # noqa: S608
                (MOST_NAMES,),
            )
        ]
        for name in decisions.BY
    }
