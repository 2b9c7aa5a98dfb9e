"""The analysis of one request: read it once, ask the detectors in order, take the first answer.

Guarantees a pure, deterministic function with bounded time: each part is capped to its head and
tail before anything looks at it. Refuses to guess: where no detector is sure, `decided` is False.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pointsman.analysis import complexity, concepts, domain, language, scripts, tokens
from pointsman.analysis import text as text_module
from pointsman.analysis.detectors import (
    chat,
    coding,
    conversation,
    document,
    length,
    multilingual,
    reasoning,
)
from pointsman.analysis.facts import Facts, Verdict
from pointsman.analysis.prompt import Analysis, AnalysisSettings, Prompt
from pointsman.api.tasks import Task


@dataclass(frozen=True, slots=True)
class Detector:
    """One place in the order."""

    name: str
    detect: Callable[[Facts], Verdict | None]
    reason: str
    """Why it stands here."""


ORDER: tuple[Detector, ...] = (
    Detector("length", length.detect, "what does not fit a window cannot be saved by skill"),
    Detector("language", multilingual.detect, "who misreads the question cannot solve it"),
    Detector("code", coding.detect, "its marks are the clearest; it may quote any other text"),
    Detector(
        "document", document.detect, "a given text may hold numbers that are not the question"
    ),
    Detector("reasoning", reasoning.detect, "numbers and a question that no given text explains"),
    Detector("translation", multilingual.detect_translation, "English about another language"),
    Detector(
        "passage", document.detect_passage, "a long text without a cue is read, not chatted about"
    ),
    Detector("conversation", conversation.detect, "a short follow-up continues what went before"),
    Detector("chat", chat.detect, "what is left and short is a question or a statement"),
)
_DEFAULT = AnalysisSettings()
_LISTED: frozenset[str] = frozenset().union(
    *(m.CUES for m in (chat, coding, conversation, document, multilingual, reasoning)),
)
_TOPICS = complexity.CUES | domain.CUES
# A caller that caps the history keeps more than this.
_CAPPED_CHARS = 2_000
_UNSURE: tuple[str, ...] = ("no detector was sure",)


def analyze(prompt: Prompt, settings: AnalysisSettings = _DEFAULT) -> Analysis:
    """Return what a request is, asks and costs; never raises, whatever the text."""
    return judge(observe(prompt, settings))


def judge(facts: Facts) -> Analysis:
    """Return the analysis of a request that was read; who predicts as well needs `facts.text`."""
    prompt = facts.prompt
    verdict = None
    for detector in ORDER:
        verdict = detector.detect(facts)
        if verdict is not None:
            break
    language_found = facts.language
    told = []
    if language_found.code != "en" and facts.text.words:
        told = concepts.told(facts.text, facts.script, facts.numbers)
    about = domain.find(facts.text, told, verdict)
    effort = complexity.find(facts, verdict, about, told)
    more = [about.evidence] if about.evidence else []
    more.append(effort.evidence)
    if prompt.tools or prompt.images or prompt.json_mode:
        more.append(_attachments(prompt))
    task, confidence, evidence = Task.CHAT, 0.0, _UNSURE
    if verdict is not None:
        task, confidence, evidence = verdict.task, verdict.confidence, verdict.evidence
    return Analysis(
        task,
        verdict is not None,
        language_found.code,
        facts.context_tokens,
        confidence,
        (*evidence, *more),
        effort.complexity,
        effort.score,
        about.domain,
        prompt.turns,
        prompt.tools,
        prompt.images > 0,
        prompt.json_mode,
        language_found.confidence,
        about.confidence,
        effort.confidence,
        facts.token_mix,
    )


def observe(prompt: Prompt, settings: AnalysisSettings) -> Facts:
    """Read the capped parts of a request once."""
    text = text_module.read(prompt.user, _LISTED, _TOPICS)
    if text.lower.isascii():
        counted = spoken = scripts.ASCII if text.words else scripts.EMPTY
    else:
        counted = scripts.count(text.lower)
        # Code in fences costs tokens but is no language anybody speaks.
        spoken = counted if text.prose is text.lower else scripts.count(text.prose)
    told = language.identify(text.words, text.prose, spoken, listed=bool(text.cues or text.topics))
    mix = tokens.mix(text.sample, counted, told.code)
    if spoken.characters and told.code in {"en", language.UNKNOWN}:
        told = language.of_edges(text.prose) or told
    share = text.chars / len(text.sample) if text.sample else 1.0
    if share != 1.0:
        mix = {kind: chars * share for kind, chars in mix.items()}
    text_tokens = tokens.general(mix.items())
    numbers = text.numbers() if mix["digits"] else 0
    estimate = text_tokens
    if prompt.total_chars > text.chars:
        _add_rest(mix, prompt, prompt.total_chars - text.chars, told.code)
        estimate = tokens.general(mix.items())
    estimate += tokens.MESSAGE_TOKENS * max(prompt.turns, 1)
    return Facts(
        prompt=prompt,
        settings=settings,
        text=text,
        language=told,
        numbers=numbers,
        script=spoken.dominant[0],
        text_tokens=int(text_tokens),
        token_mix=tuple(mix.items()),
        context_tokens=round(estimate) + tokens.IMAGE_TOKENS * prompt.images,
    )


def _add_rest(mix: tokens.Mix, prompt: Prompt, rest: int, code: str) -> None:
    """Add the characters of the other messages, of which only head and tail are looked at."""
    system = min(len(prompt.system), rest)
    rest -= system
    history = rest
    if len(prompt.history) < _CAPPED_CHARS:  # it is all there is; what is left are tools
        history = min(len(prompt.history), rest)
        if rest > history:
            mix["plain"] = mix.get("plain", 0.0) + rest - history
    for part, chars in ((prompt.system, system), (prompt.history, history)):
        if not chars:
            continue
        sample = text_module.cap(part)
        share = chars / len(sample)
        counted = scripts.ASCII if sample.isascii() else scripts.count(sample)
        for kind, found in tokens.mix(sample, counted, code).items():
            mix[kind] = mix.get(kind, 0.0) + found * share


def _attachments(prompt: Prompt) -> str:
    there = (("tools", prompt.tools), ("images", prompt.images), ("JSON mode", prompt.json_mode))
    return f"with {' and '.join(name for name, given in there if given)}"
