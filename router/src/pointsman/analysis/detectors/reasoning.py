"""Reasoning: mathematics, quantities, logic, science at exam level.

Guarantees that each verdict names its cue: notation, vocabulary, a quantity asked of numbers,
options to choose from, or clues. Refuses "how many" without numbers: that is a fact to look up.
"""

import re
from itertools import islice

from pointsman.analysis import notation
from pointsman.analysis.detectors import reasoning_words as listed
from pointsman.analysis.detectors.options import lists_options
from pointsman.analysis.domain_words import DOMAIN_WORDS, OWN_POINTS
from pointsman.analysis.facts import Facts, Verdict
from pointsman.api.tasks import Domain, Task

# A formula: x^2, 3x + 5, f(x) =, 12 * 7, 3/4 + 1; dates (7-11) and ranges are not.
# Of the operators, those that words are joined with count only before a number.
_OPERATOR = re.compile(r"-(?=\s?\d)|\+(?=\s?\(?\d)|/(?=\s\d)|=|\*|\^|×|÷|√|≤|≥|∑|∫|∈|∀|∃|π")
_MAX_OPERATORS = 40
_FORMULA = re.compile(
    r"\b[a-z]\s?\^\s?[\d(n-z{]|\b\d+[a-z]\s?[-+=]\s?\d|\b\d+\s?[-+]\s?\d+[a-z]\b|\b[fgh]\([xnt]\)\s?="
    r"|\d\s?[*×÷^]\s?\(?\d|\)\s?\^\s?[\dn]|\d\s\+\s\(?\d|\b[xyz]\s?=\s?-?\d|\d\s?=\s?[xyz?]|\d\s/\s\d|[√≤≥∑∫∈∀∃π]"
)
_OPTION = re.compile(r"(?:^|[\s(])\(?([a-e1-5])[).:]\s")
CUES = listed.CUES
# What phrases begin with is looked for first, and once.
_STEPS = (
    ("step", ("step by step", "step-by-step")),
    ("show your", ("show your work", "show your reasoning")),
    ("must be true", ("must be true",)),
    ("explain your reasoning", ("explain your reasoning",)),
    ("chain of thought", ("chain of thought",)),
    ("justify", ("and justify", "justify your answer")),
    ("possible", ("how is that possible", "how is this possible")),
    ("what am i", ("what am i?",)),
    ("many ways", ("how many ways",)),
    ("does it", ("does it follow", "does it logically follow")),
    ("be inferred", ("can be inferred",)),
    ("conclusion", ("which conclusion", "what conclusion")),
    ("order did", ("which order did", "what order did")),
    ("must cross", ("must cross a river", "must cross the river")),
)
_PHRASES = (
    "prime number", "natural number", "square root", "odd number", "even number", "real number",
    "common divisor", "common multiple", "consecutive integers", "standard deviation",
    "sin(", "cos(", "tan(", "sqrt(", "as x approaches", "word problem", "half-life",
)  # fmt: skip
# A word problem tells a story first; a shorter question with a number is a fact or a conversion.
_STORY_WORDS = 12
_PARAGRAPH_WORDS = 100
_EXERCISE_SHORT = 40
_YEAR = re.compile(r"\b1[5-9]\d\d|\b20\d\d")
_PUZZLE_WORDS = 60
_QUESTION_WORDS = 40
# An exercise is short; beyond this, words of mathematics meet by chance.
_EXERCISE_WORDS = 150


def detect(facts: Facts) -> Verdict | None:
    """Reasoning when notation, vocabulary, quantities, options or clues say so."""
    for look in (
        _notation,
        _quantities,
        _vocabulary,
        _named,
        _field,
        _logic,
        _told,
        _options,
        _science,
    ):
        found = look(facts)
        if found is not None:
            confidence, evidence = found
            return Verdict(Task.REASONING, confidence, (evidence,))
    return None


def _named(facts: Facts) -> tuple[float, str] | None:
    """A phrase of mathematics, or a word that nobody uses but who studies it."""
    text = facts.text
    if len(text.words) > _PUZZLE_WORDS:
        return None
    if not text.cues.isdisjoint(listed.IN_PHRASES):
        for phrase in _PHRASES:
            if phrase in text.lower:
                return 0.65, f"maths: {phrase.strip('( ')}"
    studied = text.cues & listed.STUDIED
    if studied:
        return 0.6, f"maths: words {', '.join(sorted(studied)[:3])}"
    return None


def _field(facts: Facts) -> tuple[float, str] | None:
    """A short exercise: a word of mathematics alone, two of science, or figures beside such."""
    text = facts.text
    if len(text.words) > _EXERCISE_SHORT:
        return None
    maths = science = 0
    for owned in filter(None, map(DOMAIN_WORDS.get, text.topics)):
        for domain, points in owned:
            maths += points if domain is Domain.MATHEMATICS else 0
            science += points if domain is Domain.SCIENCE else 0
    impersonal = text.cues.isdisjoint(listed.PERSONAL)
    if maths >= OWN_POINTS and impersonal:
        return 0.6, "maths: a word of the field"
    if science >= 2 * OWN_POINTS:
        return 0.55, "science: words of the field"
    figures = facts.numbers > 1 and not _YEAR.search(text.lower)
    if figures and maths + science > 1 and impersonal:
        return 0.55, f"maths: {facts.numbers} numbers and a word of the field"
    return None


def _told(facts: Facts) -> tuple[float, str] | None:
    """Statements about others, tied by words of order or logic, and a question about them."""
    text = facts.text
    if facts.numbers or not (_STORY_WORDS <= len(text.words) <= _PUZZLE_WORDS):
        return None
    if not text.is_question or not listed.PERSONAL.isdisjoint(text.edge):
        return None
    ties = listed.TIES.intersection(text.edge)
    if len(ties) >= 2 and text.lower.count(". ") >= 2:
        return 0.6, f"reasoning: statements tied by {', '.join(sorted(ties)[:3])}"
    return None


def _notation(facts: Facts) -> tuple[float, str] | None:
    text = facts.text
    if notation.is_formula_source(text.sample):
        return 0.9, "maths: formulas in TeX"
    if text.lower.isascii() and not (text.has_digits or "=" in text.lower or "^" in text.lower):
        return None
    # Looking only around operators is ten times faster than trying the formula everywhere.
    for operator in islice(_OPERATOR.finditer(text.lower), _MAX_OPERATORS):
        place = operator.start()
        if _FORMULA.search(text.lower, max(place - 8, 0), place + 8):
            return 0.75, "maths: a formula"
    return None


def _quantities(facts: Facts) -> tuple[float, str] | None:
    text = facts.text
    known, words = text.cues, len(text.words)
    if (
        words <= _STORY_WORDS
        and facts.numbers == 2
        and "%" in text.sample
        and known & listed.PERCENT
    ):
        return 0.7, "maths: a percentage of a number"
    asks = text.is_question and not known.isdisjoint(listed.ASKS)
    impersonal = known.isdisjoint(listed.PERSONAL)
    enough = facts.numbers >= 3 or (facts.numbers == 2 and words >= _STORY_WORDS and impersonal)
    if asks and enough and words <= _PARAGRAPH_WORDS and known & listed.UNITS:
        return 0.65, f"maths: {facts.numbers} numbers with units"
    if words < _STORY_WORDS or not (known & listed.QUANTITIES and known & listed.ASKS):
        return None
    if words > _PARAGRAPH_WORDS:
        # A long story asks at its end; a report has such words anywhere.
        question = frozenset(text.edge[-_QUESTION_WORDS:])
        if not (question & listed.QUANTITIES and question & listed.ASKS):
            return None
    numbers = _numbers(facts)
    supposes = "%" in text.sample or not known.isdisjoint(listed.SUPPOSES)
    asks = text.is_question or "how" in known or not known.isdisjoint(listed.IMPERATIVES)
    if asks and (numbers >= 3 or (numbers >= 2 and (supposes or words >= 20))):
        return min(0.6 + 0.05 * numbers, 0.9), f"maths: a quantity asked of {numbers} numbers"
    return None


def _numbers(facts: Facts) -> int:
    """Count the numbers in the message, in digits and in words."""
    text = facts.text
    return facts.numbers + sum(map(listed.NUMBER_WORDS.__contains__, text.edge))


def _vocabulary(facts: Facts) -> tuple[float, str] | None:
    text = facts.text
    known = text.cues
    if len(text.words) > _EXERCISE_WORDS:
        return None
    terms, shared = known & listed.TERMS, known & listed.MATHS
    asks = not known.isdisjoint(listed.IMPERATIVES)
    points = 3 * len(terms) + len(shared) + (1 if asks else 0)
    if points >= 3:  # else two numbers do not make it enough
        points += min(_numbers(facts), 2)
    if (terms and points >= 5) or (points >= 6 and len(shared) >= 3):
        words = sorted(terms) + sorted(shared)
        return min(0.5 + 0.05 * points, 0.9), f"maths: words {', '.join(words[:3])}"
    if not known.isdisjoint({"prove", "derive"}):
        return 0.7, "maths: a proof is asked for"
    return None


def _logic(facts: Facts) -> tuple[float, str] | None:
    text = facts.text
    steps = not text.cues.isdisjoint(listed.IN_STEPS)
    if steps and (phrase := _phrase(text.lower)):
        return 0.7, f"reasoning: {phrase!r}"
    clues = (text.cues & listed.CLUES).union(listed.CLUES.intersection(text.between))
    if len(clues) >= 2 or (clues and len(listed.SEQUENCE_CLUES.intersection(text.words)) >= 4):
        return 0.75, f"reasoning: words {', '.join(sorted(clues)[:3])}"
    if clues and len(text.cues & listed.QUANTIFIERS) >= 2:
        return 0.65, f"reasoning: {min(clues)} and quantifiers"
    if listed.TRUTH in text.cues and text.cues & listed.LIES:
        return 0.7, "reasoning: truth and lies"
    short = len(text.words) <= _PUZZLE_WORDS
    if short and text.is_question and text.edge.count("than") >= 2 and text.cues & listed.WHO:
        return 0.65, "reasoning: comparisons"
    return None


def _phrase(lower: str) -> str:
    for start, phrases in _STEPS:
        if start in lower:
            for phrase in phrases:
                if phrase in lower:
                    return phrase
    return ""


def _options(facts: Facts) -> tuple[float, str] | None:
    text, lower = facts.text, facts.text.lower
    if not lists_options(lower):
        return None
    options = {match.group(1) for match in _OPTION.finditer(lower)}
    if len(options & set("abcde")) >= 3 or (len(options & set("12345")) >= 3 and text.is_question):
        return 0.65, f"options: {len(options)} to choose from"
    return None


def _science(facts: Facts) -> tuple[float, str] | None:
    text = facts.text
    exam = text.cues & listed.EXAM
    if len(exam) >= 2 and len(text.words) >= _STORY_WORDS and text.is_question:
        return 0.6, f"science: words {', '.join(sorted(exam)[:3])}"
    terms = text.cues & listed.SCIENCE
    needed = 3 if len(text.words) <= 120 else 4
    if len(terms) >= needed or (len(terms) == 2 and len(text.words) >= 20 and text.is_question):
        return min(0.5 + 0.05 * len(terms), 0.9), f"science: words {', '.join(sorted(terms)[:3])}"
    return None
