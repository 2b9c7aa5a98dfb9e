"""What a backend calls itself: whether most of a run's answers say what none said before.

Providers answer from several machines with several fingerprints at once: so it is a set that is
known, and half of the answers that has to be outside of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from pointsman.operator.plan.drifting.record import Change, Names

MOST: Final = 16
"""Names of a field that are remembered."""

Said = Mapping[str, Mapping[str, int]]
"""By field: how many answers said which name."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """`back`: what it is called now was usual before."""

    field: str
    before: str
    after: str
    back: bool = False


def said_in(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Of (model, fingerprint) of answers; silence counts as nothing."""
    models: Counter[str] = Counter()
    prints: Counter[str] = Counter()
    for model, fingerprint in pairs:
        models[model[:256]] += 1
        prints[fingerprint[:256]] += 1
    found = {"model": models, "fingerprint": prints}
    return {
        field: {name: count for name, count in names.items() if name}
        for field, names in found.items()
    }


def looked_at(
    names: Names, said: Said, fields: Sequence[str], *, learning: bool, at_ms: int
) -> tuple[Names, tuple[Renamed, ...]]:
    """The names after these answers, and what of them is new; `learning`: rare ones are usual."""
    known, changed = dict(names.known), dict(names.changed)
    news: list[Renamed] = []
    for field in fields:
        counts = said.get(field) or {}
        usual = known.get(field, ())
        if not counts:
            continue
        if not usual:
            known[field] = _most(counts)[:MOST]
            continue
        other = {name: count for name, count in counts.items() if name not in usual}
        if 2 * sum(other.values()) < sum(counts.values()):
            if learning:
                known[field] = (*usual, *_most(other))[:MOST]
            if gone := changed.pop(field, None):
                back = next(name for name in _most(counts) if name in usual)
                news.append(Renamed(field, gone.after, back, back=True))
            continue
        after, last = _most(other)[0], changed.get(field)
        if last is not None and (last.after == after or last.after in other):
            continue  # told already, and still said
        before = last.after if last else usual[0]
        changed[field] = Change(before=before, after=after, at_ms=at_ms)
        news.append(Renamed(field, before, after))
    return msgspec.structs.replace(names, known=known, changed=changed), tuple(news)


def accepted(names: Names) -> Names:
    """What is said now is usual; what was usual with it is learned again."""
    known = dict(names.known)
    for field, change in names.changed.items():
        known[field] = (change.after,)
    return Names(known=known)


def _most(counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))
