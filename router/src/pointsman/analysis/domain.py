"""Which field a message is about: a sum of points over listed words, the most wins.

Guarantees one answer with the words that told it, at the cost of one look-up a listed word.
Refuses to name a domain on a few shared words: then it is General.
"""

from collections.abc import Iterable

import msgspec

from pointsman.analysis.concepts import Concept
from pointsman.analysis.domain_words import DOMAIN_WORDS
from pointsman.analysis.facts import Verdict
from pointsman.analysis.text import Text
from pointsman.api.tasks import Domain, Task

# One word of the domain alone or four shared ones; of a long message more, which meet by chance.
_ENOUGH = 4
_SHORT_WORDS = 70
_ENOUGH_IF_LONG = 7
# A program is about software whatever it computes; an exercise may be of another science.
_CODING_POINTS = 10
_MATHS_POINTS = 3
_SHOWN = 3
CUES = frozenset(DOMAIN_WORDS)


class Found(msgspec.Struct, frozen=True, gc=False):
    """The domain of a message."""

    domain: Domain
    points: int
    """Of its words; 0 for General."""
    confidence: float
    """0..1, ordinal, set by hand; 0 for General."""
    evidence: str
    """E.g. "domain: Medicine by fever, patient"; empty for General."""


_GENERAL = Found(Domain.GENERAL, 0, 0.0, "")


def find(text: Text, concepts: list[Concept], verdict: Verdict | None) -> Found:
    """Return the domain with the most points; `verdict` is what a detector was sure of."""
    cues = text.topics
    points: dict[Domain, int] = {}
    for owned in filter(None, map(DOMAIN_WORDS.get, cues)):
        for domain, each in owned:
            points[domain] = points.get(domain, 0) + each
    for concept in concepts:
        points[concept.domain] = points.get(concept.domain, 0) + concept.points
    points.pop(Domain.GENERAL, None)
    by_task, worth = _of_task(verdict)
    if by_task is not None:
        points[by_task] = points.get(by_task, 0) + worth
    if not points:
        return _GENERAL
    best, most = max(points.items(), key=_rank)
    if best is not by_task and most < (
        _ENOUGH if len(text.words) <= _SHORT_WORDS else _ENOUGH_IF_LONG
    ):
        return _GENERAL
    confidence = min(0.95, 0.4 + 0.3 * most / sum(points.values()) + 0.02 * most)
    told = most - worth if best is by_task else most
    return Found(best, told, confidence, _evidence(best, cues, concepts, by_task))


def _of_task(verdict: Verdict | None) -> tuple[Domain | None, int]:
    if verdict is not None and verdict.task is Task.CODING:
        return Domain.SOFTWARE, _CODING_POINTS
    if verdict is not None and verdict.evidence[0].startswith("maths"):
        return Domain.MATHEMATICS, _MATHS_POINTS
    return None, 0


def _rank(item: tuple[Domain, int]) -> tuple[int, str]:
    return item[1], item[0]


def _evidence(
    domain: Domain, cues: Iterable[str], concepts: list[Concept], by_task: Domain | None
) -> str:
    found = [
        (-worth, word)
        for word in cues
        for owner, worth in DOMAIN_WORDS.get(word, ())
        if owner is domain
    ]
    names = [word for _, word in sorted(found)[:_SHOWN]]
    names += [concept.name for concept in concepts if concept.domain is domain]
    if domain is by_task and len(names) < _SHOWN:
        names.append("its task")
    return f"domain: {domain} by {', '.join(names[:_SHOWN])}"
