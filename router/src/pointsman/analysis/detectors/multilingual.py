"""Multilingual: the message is not English, or asks about another language.

Guarantees the fleet's language rule: what is asked in another language needs a model that speaks
it, also where it asks for code or maths. Refuses to fire on a foreign name or quotation.
"""

import re

from pointsman.analysis.facts import Facts, Verdict
from pointsman.analysis.language import UNKNOWN
from pointsman.analysis.text import word_set
from pointsman.api.tasks import Task

_LANGUAGES = word_set(
    """arabic bengali bulgarian cantonese catalan chinese croatian czech danish dutch estonian
    farsi finnish french gaelic german greek gujarati hawaiian hebrew hindi hungarian
    icelandic indonesian irish italian japanese korean latin latvian lithuanian malay mandarin
    marathi norwegian persian polish portuguese punjabi romanian russian serbian slovak
    slovenian spanish swahili swedish tagalog tamil telugu thai turkish ukrainian urdu
    vietnamese welsh zulu"""
)
_TRANSLATE = word_set("translate translated translation translating")
_WORD_IN = re.compile(
    r"\b(?:say|write|spell|pronounce|call|word|phrase|mean|means|speak|answer|reply|respond)\b.{0,80}?"
    r"\bin ([a-z]{4,12})\b",
    re.DOTALL,
)


def detect(facts: Facts) -> Verdict | None:
    """Multilingual when the language of the last user message is told and is not English."""
    language = facts.language
    if language.code in {"en", UNKNOWN}:
        return None
    return Verdict(Task.MULTILINGUAL, language.confidence, (language.evidence,))


def detect_translation(facts: Facts) -> Verdict | None:
    """Multilingual when an English message asks for a translation or for a word of a language."""
    edge = facts.text.edge_vocabulary
    named = edge & _LANGUAGES
    if edge & _TRANSLATE and (named or len(facts.text.words) >= 4):
        target = f" ({', '.join(sorted(named))})" if named else ""
        return Verdict(Task.MULTILINGUAL, 0.8, (f"translation: asked for{target}",))
    if named:
        asked = _WORD_IN.search(facts.text.lower)
        if asked and asked.group(1) in _LANGUAGES:
            return Verdict(Task.MULTILINGUAL, 0.7, (f"translation: words in {asked.group(1)}",))
    return None
