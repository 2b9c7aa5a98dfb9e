"""Multilingual: the message is not English, or asks about another language.

Guarantees the fleet's language rule: what is asked in another language needs a model that speaks
it, also where it asks for code or maths. Refuses to fire on a foreign name or quotation.
"""

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
# The same in other languages, before a text that is English or short.
_ELSEWHERE = word_set(
    """traduce traduzca traduzca traducir traducción traduis traduisez traduire traduction traduci
    tradurre traduzione traduza traduzir traduz tradução übersetze übersetzen übersetzung vertaal
    vertalen oversæt oversett översätt käännä przetłumacz tłumaczenie přelož fordítsd traduceți
    tradu terjemahkan çevir tafsiri isalin"""
)
_SPEAK = word_set(
    """say said write spell pronounce call called word words phrase mean means speak answer reply
    respond"""
)
# "The Japanese word for umbrella": what a language's name stands before.
_TERMS = word_set("word words phrase expression translation equivalent term")
CUES = _ELSEWHERE | _LANGUAGES | _TRANSLATE | _SPEAK | _TERMS
# "How do you say <a sentence> in Spanish": a sentence is at most this long.
_SAID_WORDS = 16
_QUESTION_WORDS = 60


def detect(facts: Facts) -> Verdict | None:
    """Multilingual when the language of the last user message is told and is not English."""
    language = facts.language
    if language.code in {"en", UNKNOWN}:
        if asked := facts.text.cues & _ELSEWHERE:
            return Verdict(Task.MULTILINGUAL, 0.7, (f"translation: {_ascii(min(asked))}",))
        return None
    return Verdict(Task.MULTILINGUAL, language.confidence, (language.evidence,))


def _ascii(word: str) -> str:
    return word if word.isascii() else "asked for in another language"


def detect_translation(facts: Facts) -> Verdict | None:
    """Multilingual when an English message asks for a translation or for a word of a language."""
    known = facts.text.cues
    named = known & _LANGUAGES
    if known & _TRANSLATE and (named or len(facts.text.words) >= 4):
        target = f" ({', '.join(sorted(named))})" if named else ""
        return Verdict(Task.MULTILINGUAL, 0.8, (f"translation: asked for{target}",))
    if named:
        edge = facts.text.edge
        short = len(edge) <= _QUESTION_WORDS
        for place, word in enumerate(edge):
            if short and word in named and not _TERMS.isdisjoint(edge[place + 1 : place + 2]):
                return Verdict(Task.MULTILINGUAL, 0.7, (f"translation: a word of {word}",))
            if word in named and edge[max(place - 1, 0)] == "in":
                around = edge[max(place - _SAID_WORDS, 0) : place + _SAID_WORDS]
                if not _SPEAK.isdisjoint(around):
                    return Verdict(Task.MULTILINGUAL, 0.7, (f"translation: words in {word}",))
    return None
