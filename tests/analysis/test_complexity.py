"""How hard a request is: short ones that are hard are not missed, chit-chat is not hard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.analysis import Complexity, Domain
from tests.analysis.prompts import ask

# Kinds that scorers by length and keywords are known to take for simple.
HARD = {
    "chemistry": "Which major product forms when 2-bromobutane is heated with potassium tert-"
    "butoxide, and why does the stereochemistry of the alkene favor it?",
    "number theory": "Prove that there are infinitely many primes congruent to 3 modulo 4.",
    "legal remedy": "My landlord sold the house and the buyer refuses to honor my lease. Which "
    "remedies do I have against either party, and who is liable for my moving costs?",
    "clinical case": "A 58-year-old patient presents with fever, jaundice and confusion. What is "
    "the most likely diagnosis and the next step?",
    "logic puzzle": "Three people are either knights, who tell the truth, or liars. A says that B "
    "is a liar, B says that A and C are of the same kind. What is C?",
    "quantum physics": "Why does a Hamiltonian that commutes with the parity operator have "
    "eigenstates of definite symmetry?",
    "design": "Design a distributed rate limiter without a single point of failure and compare the "
    "trade-offs of two algorithms.",
    "analysis": "Analyze the consequences for small firms if the central bank raises interest "
    "rates while inflation falls, and justify your assumptions.",
}
HARD_ELSEWHERE = {
    "de": "Beweise, dass es unendlich viele Primzahlen gibt, und begründe jeden Schritt.",
    "fr": "Un patient a de la fièvre et une éruption : quel est le diagnostic et quel traitement ?",
    "es": "Demuestra que hay infinitos números primos y justifica cada paso.",
    "it": "Dimostra che esistono infiniti numeri primi e giustifica ogni passaggio.",
    "ru": "Докажи, что простых чисел бесконечно много, и обоснуй каждый шаг доказательства.",
    "zh": "证明存在无穷多个素数，并解释每一步推理。",
    "ja": "素数が無限に存在することを証明し、各段階の理由を説明してください。",
    "ko": "소수가 무한히 많다는 것을 증명하고 각 단계의 이유를 설명하세요.",
    "ar": "أثبت أن هناك عددا لا نهائيا من الأعداد الأولية، برهن كل خطوة من فضلك.",
    "hi": "सिद्ध करें कि अभाज्य संख्याएँ अनंत हैं और प्रत्येक चरण की व्याख्या करें।",
}
EXERCISES = (
    "A bakery sells 48 rolls in the morning and half as many later. How many in 5 days?",
    "Solve 3x + 7 = 22 and check your result.",
    "小明有12个苹果，他给了弟弟5个，又买了8个。他现在一共有多少个苹果？",
    "Juan tiene 12 manzanas y compra 8 más. ¿Cuántas manzanas tiene si regala 5?",
)
EASY = (
    "hi there!",
    "Thanks, that was all I needed.",
    "What is the capital of Australia?",
    "is your shop open on sundays",
    "How do I change my delivery address?",
    "tell me a joke",
    "Wie spät ist es?",
    "你好",
    "¿Cuándo abren mañana?",
    "ok",
)


@pytest.mark.parametrize("kind", HARD)
def test_a_short_hard_prompt_is_complex(kind: str) -> None:
    """In one or two sentences, without the word "complex"."""
    assert ask(HARD[kind]).complexity is Complexity.COMPLEX


@pytest.mark.parametrize("code", HARD_ELSEWHERE)
def test_a_hard_prompt_in_another_language_is_not_simple(code: str) -> None:
    """The lists are shorter there; the least is not to take it for small talk."""
    found = ask(HARD_ELSEWHERE[code])
    assert found.language == code
    assert found.complexity is not Complexity.SIMPLE
    assert found.complexity_score > max(ask(text).complexity_score for text in EASY)


@pytest.mark.parametrize("text", EXERCISES)
def test_a_word_problem_is_at_least_moderate(text: str) -> None:
    """Arithmetic in several steps; GSM8K's kind, which others take for simple."""
    found = ask(text)
    assert found.complexity is not Complexity.SIMPLE
    assert found.domain is Domain.MATHEMATICS


@pytest.mark.parametrize("text", EASY)
def test_small_talk_and_facts_are_simple(text: str) -> None:
    """What any model answers."""
    assert ask(text).complexity is Complexity.SIMPLE


def test_asking_for_more_never_makes_it_simpler() -> None:
    """Each addition costs points or nothing."""
    steps = (
        "Explain this contract.",
        "Explain this contract and compare its clauses.",
        "Explain this contract and compare its clauses. Assess who is liable for a breach.",
    )
    scores = [ask(text).complexity_score for text in steps]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_tools_images_and_json_add_to_it() -> None:
    """Each is one thing more to get right."""
    plain = ask("What is this?")
    assert ask("What is this?", tools=True).complexity_score > plain.complexity_score
    assert ask("What is this?", images=True).complexity_score > plain.complexity_score
    assert ask("What is this?", json_mode=True).complexity_score > plain.complexity_score


@given(st.text(st.characters(), max_size=300))
def test_the_level_is_cut_from_the_score(text: str) -> None:
    """Whoever sorts by the score never contradicts the level."""
    found = ask(text)
    assert 0.0 <= found.complexity_score < 1.0
    assert 0.0 <= found.complexity_confidence <= 1.0
    order = [Complexity.SIMPLE, Complexity.MODERATE, Complexity.COMPLEX]
    cuts = [found.complexity_score >= cut for cut in (3 / 8, 6.5 / 11.5)]
    assert found.complexity is order[sum(cuts)]


def test_the_evidence_names_the_reasons() -> None:
    """For a person who asks why it went to the expensive model."""
    evidence = ask(HARD["number theory"]).evidence
    told = next(fact for fact in evidence if fact.startswith("complexity: "))
    assert "prove" in told
    assert "terms of Mathematics" in told
