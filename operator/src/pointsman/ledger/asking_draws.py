"""Draws of requests with their texts from a store: in bounded steps."""

from collections.abc import Sequence

from pointsman.events.draws import Asked, Drawn, Pin, Told
from pointsman.ledger import drawing
from pointsman.ledger.asking import days_of, when
from pointsman.ledger.contract import Store
from pointsman.ledger.drawing import EACH, MOST_TEXTS, Place
from pointsman.ledger.rows import DAY_MS, Row


def ask_draw(store: Store, asked: Asked, now_ms: int) -> Told:
    """A draw, or what is left of one by its pins. Raises BadQuestion and StoreError."""
    if asked.pins:
        return Told(prompts=_left(store, asked.policy, asked.pins, now_ms))
    from_ms = when(asked.since, now_ms)
    rows: list[Row] = []
    for table, begin_ms, end_ms in days_of(store, from_ms, now_ms + DAY_MS):
        place = Place(table, begin_ms, end_ms)
        rows += store.query(*drawing.said(place, asked.policy, now_ms))
    pins = [one.pin for one in drawing.rated(rows, asked)]
    found: list[Drawn] = []
    for first in range(0, min(len(pins), MOST_TEXTS), EACH):
        found += _read(store, pins[first : first + EACH], now_ms)[1]
        if len(found) >= asked.sample:
            break
    return Told(prompts=found[: asked.sample], candidates=len(pins))


def _read(store: Store, pins: Sequence[Pin], now_ms: int) -> tuple[list[Row], list[Drawn]]:
    decisions = [pin.decision for pin in pins]
    kept = store.query(*drawing.texts(decisions, now_ms))
    shown = [pin.decision for pin in pins if pin.label == "Demonstration"]
    better = store.query(*drawing.demonstrations(shown)) if shown else []
    return kept, drawing.drawn(pins, kept, better)


def _left(store: Store, policy: str, pins: Sequence[Pin], now_ms: int) -> list[Drawn]:
    found: list[Drawn] = []
    for first in range(0, len(pins), EACH):
        kept, some = _read(store, pins[first : first + EACH], now_ms)
        ours = _of_policy(store, policy, kept)
        found += [one for one in some if one.pin.decision in ours]
    return found


def _of_policy(store: Store, policy: str, kept: Sequence[Row]) -> set[str]:
    """Decisions whose request is this policy's."""
    by_ms = {str(row[0]): int(str(row[1])) for row in kept}
    if not by_ms:
        return set()
    found: set[str] = set()
    for table, begin_ms, end_ms in days_of(store, min(by_ms.values()), max(by_ms.values()) + 1):
        some = [decision for decision, at_ms in by_ms.items() if begin_ms <= at_ms < end_ms]
        if some:
            rows = store.query(*drawing.of_policy(Place(table, begin_ms, end_ms), policy, some))
            found |= {str(row[0]) for row in rows}
    return found
