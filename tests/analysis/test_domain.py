"""What field a request is about."""

import pytest

from pointsman.analysis import Domain
from pointsman.analysis.concepts import BEGINNINGS
from pointsman.analysis.domain_words import DOMAIN_WORDS
from tests.analysis.own_prompts import OWN_PROMPTS
from tests.analysis.prompts import ask

OWN: tuple[tuple[Domain, str], ...] = (
    (Domain.SOFTWARE, "Why does my kubernetes pod restart after every deploy?"),
    (Domain.SOFTWARE, "Write a function that reverses a linked list."),
    (Domain.SOFTWARE, "用Python写一个函数，计算斐波那契数列。"),
    (Domain.SOFTWARE, "Schreibe ein Programm, das eine Datenbank sichert."),
    (Domain.SOFTWARE, "اكتب برنامج بايثون لقراءة ملف csv"),
    (Domain.MATHEMATICS, "Find all eigenvalues of the matrix."),
    (Domain.MATHEMATICS, "What is the probability of two sixes with three dice?"),
    (Domain.MATHEMATICS, "Решите уравнение x^2 - 5x + 6 = 0."),
    (Domain.MATHEMATICS, "求方程 x^2 - 5x + 6 = 0 的解。"),
    (Domain.SCIENCE, "Why does an electron emit a photon when it falls to a lower orbital?"),
    (Domain.SCIENCE, "How do chloroplasts turn light into sugar during photosynthesis?"),
    (Domain.SCIENCE, "Explique la termodinámica de un gas ideal."),
    (Domain.SCIENCE, "量子力学中的不确定性原理是什么？"),
    (Domain.MEDICINE, "Which antibiotic treats pneumonia in a patient allergic to penicillin?"),
    (Domain.MEDICINE, "Quels sont les symptômes et le traitement du diabète chez un patient âgé ?"),
    (Domain.MEDICINE, "患者发烧三天并伴有咳嗽，可能的诊断是什么？"),
    (Domain.LAW, "Can the plaintiff recover damages if the contract was void?"),
    (Domain.LAW, "Mein Vermieter will die Kündigung, aber der Vertrag läuft. Was sagt das Gesetz?"),
    (Domain.LAW, "根据民法，违反合同需要赔偿多少？"),
    (Domain.FINANCE, "How is depreciation shown on the balance sheet and in the cash flow?"),
    (Domain.FINANCE, "¿Cómo se declara el impuesto sobre los intereses?"),
    (Domain.FINANCE, "通货膨胀如何影响股票和利率？"),
    (Domain.GENERAL, "Write a short birthday message for my grandmother."),
    (Domain.GENERAL, "Who painted the girl with a pearl earring?"),
    (Domain.GENERAL, "Recommend three places for a weekend trip near Lisbon."),
    (Domain.GENERAL, "这个周末去哪里玩比较好？"),
    (Domain.GENERAL, "Wann kommt mein Paket an?"),
)  # fmt: skip


@pytest.mark.parametrize(("domain", "text"), OWN)
def test_a_sentence_tells_its_field(domain: Domain, text: str) -> None:
    """In English, and by the beginnings of words elsewhere."""
    assert ask(text).domain is domain


def test_the_evidence_names_listed_words_and_the_confidence_grows_with_them() -> None:
    """Of General there is nothing to say."""
    one = ask("What is a plaintiff?")
    more = ask("What does the plaintiff need to prove negligence of the defendant?")
    assert "domain: Law by plaintiff" in one.evidence
    assert 0 < one.domain_confidence < more.domain_confidence <= 1
    general = ask("Where are my socks?")
    assert general.domain_confidence == 0.0
    assert not any(fact.startswith("domain") for fact in general.evidence)


def test_code_is_software_whatever_it_computes() -> None:
    """The words of another field do not make a program a case of it."""
    assert ask("```python\ndef tax(income, deduction): ...\n```\nFix it").domain is Domain.SOFTWARE


def test_support_desk_prompts_are_general_or_software() -> None:
    """None of the short chats is taken for law or medicine."""
    for task, text in OWN_PROMPTS:
        if task.value == "Chat":
            assert ask(text).domain in {Domain.GENERAL, Domain.FINANCE}, text


def test_words_are_as_text_splits_them() -> None:
    """Another spelling would never be found."""
    assert all(word.isascii() and word.isalpha() and word.islower() for word in DOMAIN_WORDS)


def test_beginnings_are_long_enough_to_mean_something() -> None:
    """Three letters of an alphabet; two signs of Chinese, Japanese or Korean."""
    for script, pairs in BEGINNINGS.items():
        least = 2 if script in {"Han", "Hangul"} else 3
        for beginning, concept in pairs:
            assert len(beginning) >= least, (beginning, concept.name)
            assert beginning == beginning.lower()
            assert concept.name.isascii()
