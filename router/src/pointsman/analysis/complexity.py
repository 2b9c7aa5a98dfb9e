"""How much a message asks of a model: points for what is known to be hard, none for chit-chat.

Guarantees that a short message can be complex: what it asks and the words of a field weigh more
than its length. Each point names its reason. Refuses a claim about any one model: an ordinal scale.
"""

from math import log2

import msgspec

from pointsman.analysis import domain as domain_module
from pointsman.analysis.concepts import Concept
from pointsman.analysis.facts import Facts, Verdict
from pointsman.analysis.text import word_set
from pointsman.api.tasks import Complexity, Domain, Task

MODERATE_POINTS = 3
COMPLEX_POINTS = 6.5
# Points at which the score is one half.
_HALF = 5.0

# Three points: work with an argument that has to hold from end to end.
_HEAVY = word_set(
    """prove disprove proof derive diagnose diagnosis refute deduce formalize formalise axiomatize
    rigorous rigorously optimal counterexample pathophysiology"""
)
# Two points: judgement over several things at once.
_DEMANDING = word_set(
    """analyze analyse analysis evaluate assess critique compare contrast justify design architect
    architecture optimize optimise refactor debug reconcile synthesize synthesise argue
    counterargument implications implication consequences tradeoff tradeoffs offs strategy
    interpret simulate model forecast estimate migrate scalable concurrency distributed
    thread latency race deadlock vulnerability mechanism determine infer hypothesis remedies
    remedy liable liability differential management negotiate plan roadmap investigate"""
)
# One point each, three at most: conditions that an answer has to keep.
_CONSTRAINTS = word_set(
    """must without exactly ensure ensuring constraint constraints requirement requirements unless
    except assuming assume suppose given provided only both neither either simultaneously cannot
    guarantee respectively whenever although despite subject each every least most likely best
    if whether why how explain step steps"""
)
_LIGHT = word_set(
    """hi hello hey thanks thank bye goodbye please ok okay lol weather joke birthday greeting
    capital name spell synonym rhyme"""
)
CUES = _HEAVY | _DEMANDING | _CONSTRAINTS | _LIGHT
_EXPERT = frozenset((Domain.SCIENCE, Domain.MEDICINE, Domain.LAW, Domain.MATHEMATICS))
_TASK_POINTS = {
    Task.CODING: 3,
    Task.DOCUMENT: 1,
    Task.LONG_CONTEXT: 4,
}
# By what reasoning.py found: clues to combine, exam-level science, an exercise of mathematics.
_REASONING_POINTS = {"reasoning": 5.5, "science": 3.0, "maths": 2.0, "options": 2.0}
# A sentence (15 tokens) is worth nothing, each doubling 0.8 points, four at most (a page).
_SENTENCE_LOG2 = 4.0
_DOUBLING_POINTS = 0.8
_MOST_LENGTH_POINTS = 4.0
_WITH_SPACES = frozenset(("Latin", "None"))
_MOST_WORD_TOKENS = 20
_NUMBER_POINTS = 0.5
_MOST_DEMAND_POINTS = 6
_FEW_TERMS = 4
_MOST_TERM_POINTS = 4.0
# English prose has 4.7 letters a word, papers 5.5; with the space that follows.
_LEARNED_WORDS = 6.6
_FEW_WORDS = 12
_MANY_TURNS = 6


class Found(msgspec.Struct, frozen=True, gc=False):
    """How hard a message is."""

    complexity: Complexity
    score: float
    """0..1, ordinal."""
    confidence: float
    """0..1, ordinal: the distance to the nearest cut."""
    evidence: str
    """E.g. "complexity: 9 points by prove, terms of Mathematics, conditions"."""


def find(
    facts: Facts,
    verdict: Verdict | None,
    about: domain_module.Found,
    concepts: list[Concept],
) -> Found:
    """Return the sum of the reasons."""
    text = facts.text
    cues, words = text.topics, len(text.words)
    reasons: list[str] = []
    points = _of_length(facts, reasons)
    if verdict is not None and (more := _of_task(verdict)):
        points += more
        reasons.append(str(verdict.task))
    heavy = cues & _HEAVY
    points += _of_demand(heavy, cues & _DEMANDING, concepts, reasons)
    if about.domain in _EXPERT and about.points >= _FEW_TERMS:
        points += min(about.points / 3, _MOST_TERM_POINTS)
        reasons.append(f"terms of {about.domain}")
    if conditions := cues & _CONSTRAINTS:
        points += min(len(conditions), 4) / 2
        reasons.append("conditions")
    # Of a program's or a document's numbers no answer is computed.
    exercise = verdict is None or verdict.task not in {Task.CODING, Task.DOCUMENT}
    if exercise and facts.numbers > 1:
        points += min(facts.numbers, 4) * _NUMBER_POINTS
        reasons.append("numbers")
    points += _of_request(facts, reasons)
    if words <= _FEW_WORDS and not heavy and not cues.isdisjoint(_LIGHT):
        points = max(points - 2, 0)
        reasons.append("small talk")
    return _cut(points, reasons)


def _of_length(facts: Facts, reasons: list[str]) -> float:
    """For each doubling beyond a sentence, and for the long words of learned texts."""
    words = len(facts.text.words)
    points = 0.0
    doublings = log2(facts.text_tokens + 1) - _SENTENCE_LOG2
    # Noise is long, too: a word of twenty tokens is none.
    noise = facts.script in _WITH_SPACES and _MOST_WORD_TOKENS * words <= facts.text_tokens
    if doublings > 0 and not noise:
        points += min(_DOUBLING_POINTS * doublings, _MOST_LENGTH_POINTS)
        reasons.append("length")
    learned = words > _FEW_WORDS // 2 and len(facts.text.prose) >= _LEARNED_WORDS * words
    if learned and facts.language.code == "en":
        points += 1
        reasons.append("long words")
    return points


def _of_demand(
    heavy: frozenset[str],
    demanding: frozenset[str],
    concepts: list[Concept],
    reasons: list[str],
) -> float:
    """For what is asked for: a proof, an analysis, a design."""
    asked = sum(concept.demand for concept in concepts)
    if not (heavy or demanding or asked):
        return 0
    reasons.extend(sorted(heavy or demanding)[:1])
    reasons.extend(concept.name for concept in concepts if concept.demand > 1)
    return min(3 * len(heavy) + 2 * len(demanding) + asked, _MOST_DEMAND_POINTS)


def _of_request(facts: Facts, reasons: list[str]) -> int:
    """For what comes with the messages."""
    prompt = facts.prompt
    if not (prompt.tools or prompt.images or prompt.json_mode or prompt.turns > _MANY_TURNS):
        return 0
    given = (
        (prompt.tools, "tools"),
        (prompt.images, "images"),
        (prompt.json_mode, "JSON"),
        (prompt.turns > _MANY_TURNS, "turns"),
    )
    more = [name for there, name in given if there]
    reasons.extend(more)
    return len(more)


def _of_task(verdict: Verdict) -> float:
    if verdict.task is Task.REASONING:
        return _REASONING_POINTS.get(verdict.evidence[0].partition(":")[0], 2.0)
    return _TASK_POINTS.get(verdict.task, 0)


def _cut(points: float, reasons: list[str]) -> Found:
    complexity = Complexity.SIMPLE
    if points >= COMPLEX_POINTS:
        complexity = Complexity.COMPLEX
    elif points >= MODERATE_POINTS:
        complexity = Complexity.MODERATE
    nearest = min(abs(points - MODERATE_POINTS), abs(points - COMPLEX_POINTS))
    evidence = f"complexity: {points:.1f} points"
    if reasons:
        evidence += f" by {', '.join(reasons)}"
    return Found(complexity, points / (points + _HALF), min(0.5 + 0.1 * nearest, 0.95), evidence)
