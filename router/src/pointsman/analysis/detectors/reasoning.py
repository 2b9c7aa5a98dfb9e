"""Reasoning: mathematics, quantities, logic, science at exam level.

Guarantees that each verdict names its cue: notation, vocabulary, a quantity asked of numbers,
options to choose from, or clues. Refuses "how many" without numbers: that is a fact to look up.
"""

import re
from itertools import islice

from pointsman.analysis import notation
from pointsman.analysis.facts import Facts, Verdict
from pointsman.analysis.text import Text, word_set
from pointsman.api.tasks import Task

# A formula: x^2, 3x + 5, f(x) =, 12 * 7, 3/4 + 1; dates (7-11) and ranges are not.
# Of the operators, those that words are joined with count only before a number.
_OPERATOR = re.compile(r"-(?=\s?\d)|\+(?=\s?\(?\d)|/(?=\s\d)|=|\*|\^|×|÷|√|≤|≥|∑|∫|∈|∀|∃|π")
_MAX_OPERATORS = 40
_FORMULA = re.compile(
    r"\b[a-z]\s?\^\s?[\d(n-z{]|\b\d+[a-z]\s?[-+=]\s?\d|\b\d+\s?[-+]\s?\d+[a-z]\b|\b[fgh]\([xnt]\)\s?="
    r"|\d\s?[*×÷^]\s?\(?\d|\d\s\+\s\(?\d|\b[xyz]\s?=\s?-?\d|\d\s?=\s?[xyz?]|\d\s/\s\d|[√≤≥∑∫∈∀∃π]"
)
# Three points: terms of mathematics alone.
_TERMS = word_set(
    """probability integer integers polynomial polynomials equation equations factorial
    hypotenuse quadratic logarithm theorem divisor divisors divisible factors congruent modulo
    remainder vertices perpendicular circumference determinant eigenvalue eigenvalues
    permutations denominator numerator asymptote parabola ellipse hexagon pentagon octagon
    polygon quadrilateral trapezoid cosine sine tangent algebra algebraic inequality
    irrational nonnegative hyperbola bisector convex binomial primes triangle triangles
    radians fraction derivative differentiate cubed exponent coefficients coefficient"""
)
# One point: terms that also have an everyday meaning.
_MATHS = word_set(
    """prime integral integrate proof vertex parallel radius diameter perimeter
    matrix sequence arithmetic geometric combinations fractions decimal roots circle square
    squares rectangle rectangular cube cubes cubic sphere cylinder cone angle angles degrees
    multiple multiples digit digits summation inequalities real rational complex positive
    negative distinct dice coin median mean mode variance graph slope intercept domain range
    maximum minimum inverse expansion units consecutive product sum common root area volume
    length smallest greatest largest least number numbers value divided squared ways solutions
    factor points line lines"""
)
_IMPERATIVES = word_set(
    """prove solve simplify compute calculate evaluate derive factor express determine find show
    deduce integrate differentiate round expand"""
)
_QUANTITIES = word_set(
    """many much total average percentage percent ratio altogether remaining left difference sum
    combined fraction far long old tall fast often heavy profit cost costs amount number
    probability chance price spend earn earned make pay score save"""
)
_ASKS = word_set("how what calculate find determine if when which compute")
_NUMBER_WORDS = word_set(
    """two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty
    fifty sixty hundred thousand half twice thrice double triple dozen quarter third times
    percent"""
)
_SUPPOSES = word_set("if each every per than twice half more less times suppose")
_CLUES = word_set(
    """clue clues puzzle riddle premise premises conclusion syllogism deduce deduction infer
    inference logic logical logically paradox contradiction counterexample knights knaves liar
    liars truthful assumption hypothesis entail entails implies valid invalid necessarily
    fallacy reasoning therefore possibilities immediately leftmost rightmost"""
)
_SEQUENCE_CLUES = word_set(
    """left right next between adjacent neither either directly taller older exactly each
    different unique"""
)
_SCIENCE = word_set(
    """electron electrons proton protons neutron photon photons quantum wavelength wavelengths
    frequency molecule molecules molecular reaction reactions reagent catalyst enzyme enzymes
    gene genes genome genetic mutation mutant mutations allele chromosome dna rna mrna protein
    proteins cell cells isotope isotopes energy kinetic momentum velocity acceleration mass
    relativistic voltage resistor magnetic electric field spin orbital hamiltonian eigenstate
    operator operators wavefunction spectrum spectra nmr ir ppm ph molar mol mole moles acid
    base equilibrium oxidation synthesis synthesized compound compounds product yield solvent
    solution aqueous hydrogen carbon oxygen nitrogen chlorine sodium atom atoms atomic ion
    ions star stars planet planets orbit galaxy luminosity redshift temperature pressure
    thermodynamic entropy enthalpy symmetry lattice crystal semiconductor chiral
    stereochemistry isomer isomers benzene methyl ethyl ketone aldehyde alcohol transcription
    inhibitor receptor antibody expression ev nm kj kpc potential charge particle particles
    decay scattering transit stellar phenotype plasmid sequencing amino peptide"""
)
CUES = (
    _TERMS | _MATHS | _IMPERATIVES | _QUANTITIES | _ASKS | _NUMBER_WORDS | _SUPPOSES
    | _CLUES | _SEQUENCE_CLUES | _SCIENCE
)  # fmt: skip
_OPTION = re.compile(r"(?:^|[\s(])\(?([a-e1-5])[).:]\s")
# A second and a third option, whatever their number and the way they are marked.
_LISTED = tuple((mark, (f"b{mark}", f"c{mark}"), (f"2{mark}", f"3{mark}")) for mark in ").:")
# What phrases begin with is looked for first, and once.
_STEPS = (
    ("step", ("step by step", "step-by-step")),
    ("show your", ("show your work", "show your reasoning")),
    ("must be true", ("must be true",)),
    ("explain your reasoning", ("explain your reasoning",)),
    ("chain of thought", ("chain of thought",)),
)
# A word problem tells a story first; a shorter question with a number is a fact or a conversion.
_STORY_WORDS = 12
_PARAGRAPH_WORDS = 100
_QUESTION_WORDS = 40
# An exercise is short; beyond this, words of mathematics meet by chance.
_EXERCISE_WORDS = 150


def detect(facts: Facts) -> Verdict | None:
    """Reasoning when notation, vocabulary, quantities, options or clues say so."""
    for look in (_notation, _quantities, _vocabulary, _logic, _science):
        found = look(facts.text)
        if found is not None:
            confidence, evidence = found
            return Verdict(Task.REASONING, confidence, (evidence,))
    return None


def _notation(text: Text) -> tuple[float, str] | None:
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


def _quantities(text: Text) -> tuple[float, str] | None:
    known, words = text.cues, len(text.words)
    if words < _STORY_WORDS or not (known & _QUANTITIES and known & _ASKS):
        return None
    if words > _PARAGRAPH_WORDS:
        # A long story asks at its end; a report has such words anywhere.
        question = frozenset(text.edge[-_QUESTION_WORDS:])
        if not (question & _QUANTITIES and question & _ASKS):
            return None
    numbers = _numbers(text)
    supposes = "%" in text.sample or not known.isdisjoint(_SUPPOSES)
    asks = text.is_question or "how" in known or not known.isdisjoint(_IMPERATIVES)
    if asks and (numbers >= 3 or (numbers >= 2 and (supposes or words >= 20))):
        return min(0.6 + 0.05 * numbers, 0.9), f"maths: a quantity asked of {numbers} numbers"
    return None


def _numbers(text: Text) -> int:
    """Count the numbers in the message, in digits and in words."""
    return text.numbers() + sum(map(_NUMBER_WORDS.__contains__, text.edge))


def _vocabulary(text: Text) -> tuple[float, str] | None:
    known = text.cues
    if len(text.words) > _EXERCISE_WORDS:
        return None
    terms, shared = known & _TERMS, known & _MATHS
    asks = not known.isdisjoint(_IMPERATIVES)
    points = 3 * len(terms) + len(shared) + (1 if asks else 0)
    if points >= 3:  # else two numbers do not make it enough
        points += min(_numbers(text), 2)
    if (terms and points >= 5) or (points >= 6 and len(shared) >= 3):
        words = sorted(terms) + sorted(shared)
        return min(0.5 + 0.05 * points, 0.9), f"maths: words {', '.join(words[:3])}"
    if not known.isdisjoint({"prove", "derive"}):
        return 0.7, "maths: a proof is asked for"
    return None


def _logic(text: Text) -> tuple[float, str] | None:
    lower = text.lower
    for start, phrases in _STEPS:
        if start in lower:
            for phrase in phrases:
                if phrase in lower:
                    return 0.7, f"reasoning: {phrase!r}"
    clues = (text.cues & _CLUES).union(_CLUES.intersection(text.between))
    if len(clues) >= 2 or (clues and len(_SEQUENCE_CLUES.intersection(text.words)) >= 4):
        return 0.75, f"reasoning: words {', '.join(sorted(clues)[:3])}"
    if not _lists(lower):
        return None
    options = {match.group(1) for match in _OPTION.finditer(lower)}
    if len(options & set("abcde")) >= 3 or (len(options & set("12345")) >= 3 and text.is_question):
        return 0.65, f"options: {len(options)} to choose from"
    return None


def _lists(lower: str) -> bool:
    """Whether a second and a third option may stand there."""
    for mark, (b, c), (two, three) in _LISTED:
        if mark in lower and ((b in lower and c in lower) or (two in lower and three in lower)):
            return True
    return False


def _science(text: Text) -> tuple[float, str] | None:
    terms = text.cues & _SCIENCE
    needed = 3 if len(text.words) <= 120 else 4
    if len(terms) >= needed or (len(terms) == 2 and len(text.words) >= 20 and text.is_question):
        return min(0.5 + 0.05 * len(terms), 0.9), f"science: words {', '.join(sorted(terms)[:3])}"
    return None
