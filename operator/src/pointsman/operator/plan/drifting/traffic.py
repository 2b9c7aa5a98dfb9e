"""Windows of the ledger, each once: what its ordinary traffic looks like, and what it calls itself.

They are hints: a signal that looks different makes a backend Suspected, until a run of golden
prompts has looked into it, or for a day where none is run. Then what is usual is learned anew.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.evaluation.drift import passive
from pointsman.evaluation.drift.errors import BadObservation
from pointsman.evaluation.drift.passive import Counts, Hint
from pointsman.operator.plan.drifting import wording
from pointsman.operator.plan.drifting.identifying import Renamed, looked_at, said_in
from pointsman.operator.plan.drifting.news import News
from pointsman.operator.plan.drifting.record import Record, Traffic
from pointsman.operator.plan.drifting.wish import Wish

DAY_MS: Final = 86_400_000
WINDOW_MS: Final = 300_000
"""The ledger's finest sums."""
LATE_MS: Final = 600_000
"""A window is asked for so long after its end: routers that could not send for longer are not
counted, and nothing is counted twice."""
STATED: Final = 50
"""Answers that name themselves, before it is judged what they say."""


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of a window that said the same of themselves."""

    model: str = ""
    fingerprint: str = ""
    answers: int = 0


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says of one backend and window."""

    counts: Counts = Counts()
    named: tuple[Named, ...] = ()


def next_window(record: Record, *, now_ms: int) -> tuple[int, int]:
    """From and to of what is asked for next; empty (from == to) if it is not time."""
    newest = (now_ms - LATE_MS) // WINDOW_MS * WINDOW_MS
    if record.traffic is None:
        return newest, newest
    begin = max(record.traffic.until_ms, newest - DAY_MS)
    return begin, min(begin + WINDOW_MS, newest) if begin < newest else begin


def due_windows(record: Record, *, now_ms: int, most: int) -> list[tuple[int, int]]:
    """(from, to) of what is asked for next, one after the other, at most so many."""
    first, end = next_window(record, now_ms=now_ms)
    newest = (now_ms - LATE_MS) // WINDOW_MS * WINDOW_MS
    if first >= end:
        return []
    begins = range(first, newest, WINDOW_MS)[:most]
    return [(begin, min(begin + WINDOW_MS, newest)) for begin in begins]


def begun(record: Record, wish: Wish, *, now_ms: int) -> Record:
    """With a watch that begins now, or without one where none is asked for."""
    if not wish.traffic:
        return msgspec.structs.replace(record, traffic=None)
    traffic, newest = record.traffic, (now_ms - LATE_MS) // WINDOW_MS * WINDOW_MS
    if traffic is None:
        traffic = Traffic(watch=passive.watch(alpha=wish.alpha), until_ms=newest)
    elif traffic.until_ms > newest + DAY_MS:  # by a clock that was ahead: nothing came since
        hinted_ms = min(traffic.hinted_ms, newest)
        traffic = msgspec.structs.replace(traffic, until_ms=newest, hinted_ms=hinted_ms)
    else:
        return record
    return msgspec.structs.replace(record, traffic=traffic)


def looked_into(traffic: Traffic | None, began_ms: int) -> Traffic | None:
    """Golden prompts were asked since: what was hinted at is told by them."""
    if traffic is None or not 0 < traffic.hinted_ms <= began_ms:
        return traffic
    return _learning(traffic)


def settled(record: Record, *, now_ms: int) -> Record:
    """A hint that nobody looks into is over after a day."""
    traffic = record.traffic
    if traffic is None or not 0 < traffic.hinted_ms <= now_ms - DAY_MS:
        return record
    return msgspec.structs.replace(record, traffic=_learning(traffic))


def take_window(
    record: Record, window: Window, wish: Wish, *, from_ms: int, until_ms: int
) -> tuple[Record, tuple[News, ...]]:
    """One window more; one that overlaps what was taken changes nothing."""
    traffic = record.traffic
    if traffic is None or from_ms < traffic.until_ms or until_ms <= from_ms:
        return record, ()
    before = traffic.watch
    try:
        watch = passive.add(before, window.counts)
    except BadObservation:
        watch = before  # counts that cannot be are no reason to stop: the next window follows
    fresh = watch.hints[len(before.hints) :]
    news = [News("DriftSuspected", hinted(one), until_ms) for one in fresh]
    names, said, renames = record.names, traffic.said, tuple[Renamed, ...]()
    if not wish.golden:  # where a suite is run, its answers say it
        said = _added(said, window.named)
        if sum(said.get("model", {}).values()) >= STATED:
            names, renames = looked_at(names, said, wish.fields, learning=True, at_ms=until_ms)
            said = {}
    for one in renames:
        text = wording.back(one) if one.back else wording.renamed(one.field, one.before, one.after)
        news.append(News("DriftRecovered" if one.back else "Drifted", text, until_ms))
    done = msgspec.structs.replace(
        traffic,
        watch=watch,
        until_ms=until_ms,
        hinted_ms=until_ms if fresh else traffic.hinted_ms,
        said=said,
    )
    return msgspec.structs.replace(record, traffic=done, names=names), tuple(news)


def hinted(hint: Hint) -> str:
    """One signal in a sentence."""
    way = "higher" if hint.higher else "lower"
    return (
        f"traffic: {hint.signal} is {way}, {hint.value:.3g} and usually {hint.usual:.3g};"
        " a hint, for callers change, too"
    )


def _learning(traffic: Traffic) -> Traffic:
    alpha, batch = traffic.watch.alpha, traffic.watch.batch
    return msgspec.structs.replace(
        traffic, watch=passive.watch(alpha=alpha, batch=batch), hinted_ms=0
    )


def _added(
    said: Mapping[str, Mapping[str, int]], named: tuple[Named, ...]
) -> dict[str, dict[str, int]]:
    found = {field: Counter(said.get(field, {})) for field in ("model", "fingerprint")}
    for one in named:
        for field, names in said_in([(one.model, one.fingerprint)]).items():
            for name in names:
                if name in found[field] or len(found[field]) < 64:
                    found[field][name] += one.answers
    return {field: dict(counts) for field, counts in found.items()}
