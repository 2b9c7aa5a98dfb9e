"""Document: a text is given and something is asked of it.

Guarantees that the cue is a reference to the given text ("the article below"), a label before it,
or a verb made for texts (summarize). Refuses length alone as proof, except for a very long passage.
"""

import re
from itertools import pairwise

from pointsman.analysis.detectors import reasoning_words
from pointsman.analysis.detectors.options import lists_options
from pointsman.analysis.facts import Facts, Verdict
from pointsman.analysis.text import Text, word_set
from pointsman.api.tasks import Task

# Nouns that name a text given with the request.
_PASTED = word_set(
    """article articles passage passages text texts paragraph paragraphs document documents
    excerpt excerpts transcript transcripts context bio biography plot abstract contract
    agreement memo manuscript essay snippet clause synopsis dialogue dialog resume summary
    extract documentation whitepaper sources"""
)
# The same, but also words of everyday life ("my statement"): they need a longer text.
_LOOSE = word_set(
    """report reports email emails story letter letters notes policy policies review reviews
    information details statement page page facts input background situation invoice
    conversation thread section chapter speech table data source description post record
    records manual news chat ticket attributes keywords bullets list content notes minutes"""
)
_GIVEN = _PASTED | _LOOSE
_DETERMINERS = word_set(
    """this the following above below given these attached provided that pasted enclosed previous"""
)
_SUMMARY = word_set(
    """summarize summarise summarized summarizes summarizing summary condense tldr tl paraphrase
    proofread recap takeaways gist highlights"""
)
_VERBS = word_set(
    """extract highlight outline shorten rewrite rephrase read identify find list answer classify
    based according using use write generate guess give determine describe tell explain
    complete edit title headline mentioned mentions contain contains discuss discussed states
    stated key main points compose can could respond infer know select pick return question
    questions make change put"""
)
# "Movie plot:", "Article:" where a line begins: the label of a text that follows.
_LABEL = re.compile(
    r"[# ]{0,6}(?:[a-z]{1,20} ){0,2}(article|passage|text|paragraph|context|document"
    r"|background|transcript|excerpt|abstract|plot|story|bio|report|email|content|input|source"
    r"|situation|review|facts|summary|notes)"
    r"[*]{0,2}:"
)
_DEICTIC = frozenset(("above", "below", "following", "given", "attached", "provided", "pasted"))
# What is done with a text that follows a colon, or that is attached.
_WORK = word_set(
    """extract summarize summarise rewrite rephrase classify proofread shorten paraphrase
    highlight edit condense tag turn review critique polish improve"""
)
_PERSONAL = word_set("i my me we our you your")
_SENT = frozenset(("attached", "enclosed", "pasted"))
CUES = _PERSONAL | _WORK | _GIVEN | _DETERMINERS | _SUMMARY | _VERBS | _DEICTIC
# 100 words are about a paragraph of six sentences: more than people write to ask something.
_PARAGRAPH_WORDS = 100
_PASSAGE_WORDS = 180
# A question at the end of a text of some sentences.
_ASKED_WORDS = 60
_TEXT_CHARS = 300
_WORKED_WORDS = 25
# An instruction of one or two sentences.
_INSTRUCTION_CHARS = 200
# A knowledge base quoted in the system message: longer than instructions usually are.
_RETRIEVED_CHARS = 1_500
_RETRIEVED = (
    "context:",
    "documents:",
    "sources:",
    "excerpts",
    "passages",
    "<document",
    "<context",
    "search results",
    "knowledge base",
)


def detect(facts: Facts) -> Verdict | None:
    """Document when the message refers to a text it brings, or the system message brings one."""
    text = facts.text
    found = _referred(text) or _asked_of(text) or _labeled(text)
    if found is not None:
        confidence, evidence = found
        return Verdict(Task.DOCUMENT, confidence, (f"document: {evidence}",))
    return _retrieved(facts)


def _referred(text: Text) -> tuple[float, str] | None:
    """A summary is asked for, or "the following article" is spoken of."""
    words, cues = len(text.words), text.cues
    summary = cues & _SUMMARY
    if summary and words >= 5 and (words >= _PARAGRAPH_WORDS or _reference(text, _GIVEN)):
        return 0.9, min(summary)
    pasted = _reference(text, _PASTED)
    if not pasted:
        sent = "" if cues.isdisjoint(_SENT) else _reference(text, _LOOSE)
        return (0.6, sent) if sent else None
    if words >= _PARAGRAPH_WORDS or (words >= 12 and cues & _VERBS):
        return (0.85 if words >= _PARAGRAPH_WORDS else 0.65), pasted
    return None if cues.isdisjoint(_SENT) else (0.6, pasted)


def _asked_of(text: Text) -> tuple[float, str] | None:
    """A question stands after a text, or work to be done before one."""
    words = len(text.words)
    if words >= _ASKED_WORDS and _asked_after(text):
        return 0.75, "a question after a text"
    if words >= _WORKED_WORDS and (work := _worked_on(text)):
        return 0.65, f"{work} ... a text after a colon"
    return None


def _labeled(text: Text) -> tuple[float, str] | None:
    """A text has a label, is pointed at, or has a name that also means something else."""
    words = len(text.words)
    if words >= 40 and (label := _label(text)):
        return 0.8, f"label {label}"
    if words >= 25 and (pointed := _pointed(text)):
        return 0.65, pointed
    if words >= _PARAGRAPH_WORDS and text.cues & _VERBS and (loose := _reference(text, _LOOSE)):
        return 0.7, f"{loose}, {words} words"
    return None


def detect_passage(facts: Facts) -> Verdict | None:
    """Document when an instruction and a colon precede a text, or the message is long prose."""
    text = facts.text
    if _given(text.lower):
        return Verdict(Task.DOCUMENT, 0.55, ("document: a text after a colon",))
    words = len(text.words)
    if words >= _ASKED_WORDS and not facts.numbers and _told_before(text):
        return Verdict(Task.DOCUMENT, 0.5, ("document: a question after sentences",))
    if words < _PASSAGE_WORDS:
        return None
    # Prose has a full stop every 5 to 40 words; lists of figures and codes do not.
    stops = text.sample.count(". ")
    if stops * 40 < words and (stops + text.sample.count(".\n")) * 40 < words:
        return None
    return Verdict(Task.DOCUMENT, 0.55, (f"document: passage of {words}+ words",))


def _reference(text: Text, nouns: frozenset[str]) -> str:
    """Return "the following article" where a determiner stands within three words before a noun."""
    if text.cues.isdisjoint(nouns):
        return ""
    edge = text.edge
    for place, word in enumerate(edge):
        if word in nouns:
            for back in range(max(place - 3, 0), place):
                if edge[back] in _DETERMINERS:
                    return f"{edge[back]} {word}"
    return ""


def _label(text: Text) -> str:
    """Return the label before a given text, where a line begins with one."""
    if ":" not in text.lower:
        return ""
    for match in filter(None, map(_LABEL.match, text.lines())):
        return match.group(1)
    return ""


def _pointed(text: Text) -> str:
    """Return "details above" or "following email": a given text pointed at, whatever its noun."""
    if text.cues.isdisjoint(_DEICTIC):
        return ""
    for before, after in pairwise(text.edge):
        if (before in _DEICTIC and after in _LOOSE) or (after in _DEICTIC and before in _LOOSE):
            return f"{before} {after}"
    return ""


def _asked_after(text: Text) -> bool:
    """Whether "Question:" begins a line after a text, and no options follow it."""
    place = text.lower.rfind("\nquestion:")
    return place > _TEXT_CHARS and not lists_options(text.lower)


def _told_before(text: Text) -> bool:
    """Whether sentences that are no puzzle end with one question."""
    if not text.lower.rstrip().endswith("?") or text.lower.count("?") > 1:
        return False
    personal = not _PERSONAL.isdisjoint(text.edge)
    return (
        not personal
        and text.lower.count(". ") >= 3
        and reasoning_words.PUZZLE.isdisjoint(text.cues)
    )


def _worked_on(text: Text) -> str:
    """Return the verb of a short instruction that a colon and a text of sentences follow."""
    if ":" not in text.lower or text.cues.isdisjoint(_WORK):
        return ""
    instruction, _, rest = text.lower.partition(":")
    if len(instruction) > _INSTRUCTION_CHARS or len(rest.split(None, 15)) <= 15:
        return ""
    if rest.count(". ") < 1 or "```" in rest:
        return ""
    verbs = _WORK.intersection(instruction.split())
    return min(verbs, default="")


def _given(lower: str) -> bool:
    """Whether a short first part ends with a colon and more than 15 words follow it."""
    if ":" not in lower:  # one character is found far faster than two
        return False
    instruction, _, rest = lower.partition(":\n")
    return len(instruction) <= _INSTRUCTION_CHARS and len(rest.split(None, 15)) > 15


def _retrieved(facts: Facts) -> Verdict | None:
    system = facts.prompt.system
    if len(system) < _RETRIEVED_CHARS:
        return None
    head = system[:3_000].lower()
    for mark in _RETRIEVED:
        if mark in head:
            return Verdict(Task.DOCUMENT, 0.6, (f"document: {mark} in the system message",))
    return None
